//! The largest epsilon of a job that would still be admitted.

use crate::privacy::{Account, Amount, Epsilon, Price, Work, gaussian_epsilon, price};

/// Digits that the answer is good for: it is at most this much below the largest.
const RELATIVE: f64 = 2e-4;
/// Searches that have not ended by then give the best that they found.
const TRIES: usize = 30;

/// The price of a plan; one beyond every budget where it cannot be priced.
#[must_use]
pub fn price_or_beyond(account: &Account, work: &Work) -> Price {
    price(account, work).unwrap_or_else(|_| Price::beyond(account.next_leak_atto()))
}

/// The largest epsilon, rounded down, whose plan would be admitted on this account as it stands, or 0.
/// `plan` makes the private work of a job from its epsilon.
#[must_use]
pub fn largest_next_epsilon(account: &Account, plan: impl Fn(Epsilon) -> Option<Work>) -> f64 {
    let cost = |epsilon: f64| {
        let work = Epsilon::new(epsilon).ok().and_then(&plan)?;
        let whole = price_or_beyond(account, &work).whole;
        Some((account.admit(whole).is_ok(), whole))
    };
    let (mut low, mut high) = (0.0, account.grant.epsilon.get());
    let mut next = high;
    for _ in 0..TRIES {
        let tried = round_down(next);
        let Some((admitted, whole)) = cost(tried) else { return low };
        if admitted {
            low = tried;
            // Nothing beyond the grant is ever admitted.
            if tried >= high {
                return low;
            }
        } else {
            high = tried;
        }
        if high - low <= RELATIVE * high || high <= Epsilon::LEAST {
            return low;
        }
        next = follow(account, (low, high), tried, whole);
    }
    low
}

/// Where to look next: the mean of the Gaussian that stands for a job grows about like its epsilon.
fn follow(account: &Account, (low, high): (f64, f64), tried: f64, whole: Amount) -> f64 {
    let free = account.remaining().mu2();
    let near = if low == 0.0 && tried >= account.grant.epsilon.get() {
        gaussian_epsilon(free.sqrt(), account.grant.delta.get())
    } else {
        tried * (free / whole.mu2()).sqrt()
    };
    // A little to the side, so that the two ends close in.
    let aimed = near * if low > 0.0 && near > tried { 1.0 + 0.2 * RELATIVE } else { 1.0 - 0.2 * RELATIVE };
    let inside = aimed > low * (1.0 + 0.1 * RELATIVE) && aimed < high * (1.0 - 0.1 * RELATIVE);
    if inside { aimed } else { f64::midpoint(low, high).max(Epsilon::LEAST) }
}

/// To five digits, so that people can type it.
fn round_down(x: f64) -> f64 {
    let unit = 10f64.powi(x.log10().floor() as i32 - 4);
    let rounded = (x / unit).floor() * unit;
    // Decimal text without the noise of the division; never above x.
    let decimal = format!("{rounded:.12}").parse().unwrap_or(rounded);
    if decimal <= x { decimal } else { x }
}
