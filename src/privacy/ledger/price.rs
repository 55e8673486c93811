//! What a plan costs, by a rule that depends on public facts alone.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::amount::Amount;
use crate::privacy::certificate::{certificate, fits_exactly, residual};
use crate::privacy::event::DpEvent;
use crate::privacy::rdp::AccountingError;

/// Everything private that a job may do, fixed before the first private byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Counts that are measured once, by no block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<DpEvent>,
    /// One block of training.
    pub block: DpEvent,
    /// How many blocks there are.
    pub blocks: u32,
    /// How many more may be run in place of blocks that a crash cut short.
    pub spare_blocks: u32,
}

impl Work {
    /// A measurement without blocks.
    #[must_use]
    pub fn measurement(event: DpEvent) -> Self {
        Self { opening: Some(event), ..Self::nothing() }
    }

    /// No work: what is done touches nothing private, and costs nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { opening: None, block: DpEvent::nothing(), blocks: 0, spare_blocks: 0 }
    }

    /// Everything that may happen, spare blocks included, as one event.
    #[must_use]
    pub fn event(&self) -> DpEvent {
        let blocks = self.block.clone().self_composed(self.blocks_charged());
        match &self.opening {
            None if self.blocks_charged() == 0 => DpEvent::nothing(),
            None => blocks,
            Some(opening) if self.blocks_charged() == 0 => opening.clone(),
            Some(opening) => DpEvent::Composed { events: vec![opening.clone(), blocks] },
        }
    }

    /// Blocks that may be run, spare ones included.
    #[must_use]
    pub fn blocks_charged(&self) -> u32 {
        self.blocks + self.spare_blocks
    }
}

/// How a price was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PriceRule)]
pub enum Rule {
    /// The least Gaussian that is no more private than the plan, over the whole curve.
    Certificate,
    /// The first plan on a population, by its exact loss: what is left is the largest Gaussian that
    /// may follow it.
    Residual,
    /// The first plan on a population, which fits exactly and leaves nothing for others.
    Closing,
}

/// What a plan costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// How it was found.
    pub rule: Rule,
    /// The leak that certificates were allowed, in units of 1e-18.
    pub leak_atto: i64,
    /// What is reserved: all of it is charged before the first noise, unless there is a price a block.
    pub whole: Amount,
    /// What each block costs where blocks are charged one by one; what is left at the end is released.
    pub block: Option<Amount>,
}

impl Price {
    /// The price of a plan that cannot be priced: more than any budget has.
    #[must_use]
    pub fn beyond(leak_atto: i64) -> Self {
        let whole = Amount { mu2_pico: i64::MAX, leak_atto: i64::MAX };
        Self { rule: Rule::Certificate, leak_atto, whole, block: None }
    }

    /// Whether there is nothing to pay for: the price of work that touches nothing private.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.whole == Amount::default()
    }

    /// What a job is charged that runs without a crash.
    fn of_success(&self, work: &Work) -> Amount {
        self.block.map_or(self.whole, |each| each.times(work.blocks))
    }
}

/// The price of a plan on an account as it stands. The leak of a certificate and the right to the
/// rules for a first plan depend on the account: a price is good for admission as long as
/// [`Account::next_leak_atto`], [`Account::is_untouched`] and the cap are what they were.
///
/// # Errors
/// [`AccountingError`] where the plan cannot be priced at all.
pub fn price(account: &Account, work: &Work) -> Result<Price, AccountingError> {
    let leak_atto = account.next_leak_atto();
    let exact = if account.is_untouched() { first(account, work, leak_atto)? } else { None };
    let (whole, blocks) = (in_whole(work, leak_atto), in_blocks(work, leak_atto));
    // Which one is taken depends on public facts alone. Of those that fit, the one that leaves most for
    // later if nothing crashes; blocks before the whole where they cost the same.
    let candidates = [blocks.ok().flatten(), whole.as_ref().ok().copied(), exact];
    let fitting = candidates.into_iter().flatten().filter(|price| account.admit(price.whole).is_ok());
    fitting.min_by_key(|price| price.of_success(work).mu2_pico).map_or(whole, Ok)
}

/// Whether a price that was recorded covers the plan, on the account as it stood: found again by the
/// rule and in the mode that it names, up to a millionth for the last digits of other machines.
///
/// # Errors
/// [`AccountingError`] where the plan cannot be priced at all.
pub fn covers(account: &Account, work: &Work, recorded: &Price) -> Result<bool, AccountingError> {
    let again = match recorded.rule {
        Rule::Certificate => {
            let leak_atto = account.next_leak_atto();
            match recorded.block {
                None => Some(in_whole(work, leak_atto)?),
                Some(_) => in_blocks(work, leak_atto)?,
            }
        }
        Rule::Residual | Rule::Closing if account.is_untouched() => first(account, work, account.next_leak_atto())?,
        Rule::Residual | Rule::Closing => None,
    };
    let enough = |told: Amount, due: Amount| {
        told.mu2_pico as f64 >= due.mu2_pico as f64 * (1.0 - 1e-6) - 2.0 && told.leak_atto >= due.leak_atto
    };
    Ok(again.is_some_and(|again| {
        enough(recorded.whole, again.whole)
            && recorded.block.is_none_or(|told| {
                again.block.is_some_and(|due| enough(told, due)) && told.times(work.blocks_charged()) == recorded.whole
            })
    }))
}

/// Everything that may happen, spare blocks included, as one event with one leak.
fn in_whole(work: &Work, leak_atto: i64) -> Result<Price, AccountingError> {
    let whole = of_event(&work.event(), leak_atto)?;
    Ok(Price { rule: Rule::Certificate, leak_atto, whole, block: None })
}

/// Each block as an event of its own, with its own share of the leak; none for work without blocks.
fn in_blocks(work: &Work, leak_atto: i64) -> Result<Option<Price>, AccountingError> {
    if work.opening.is_some() || work.blocks == 0 {
        return Ok(None);
    }
    let each = of_event(&work.block, leak_atto / i64::from(work.blocks_charged()))?;
    let whole = each.times(work.blocks_charged());
    Ok(Some(Price { rule: Rule::Certificate, leak_atto, whole, block: Some(each) }))
}

fn of_event(event: &DpEvent, leak_atto: i64) -> Result<Amount, AccountingError> {
    let loss = event.loss()?;
    let leak_atto = if loss.needs_leak() { leak_atto } else { 0 };
    let mean = certificate(&loss, leak_atto as f64 * 1e-18)?;
    // Squaring rounds by less than this.
    let charge = Amount::charge(mean * mean * (1.0 + 4.0 * f64::EPSILON), loss.leak());
    Ok(charge.plus(Amount { mu2_pico: 0, leak_atto }))
}

/// By the exact loss of a first plan.
fn first(account: &Account, work: &Work, leak_atto: i64) -> Result<Option<Price>, AccountingError> {
    let (grant, loss) = (account.grant, work.event().loss()?);
    let priced = |rule, whole| Price { rule, leak_atto, whole, block: None };
    let gaussian_delta = grant.gaussian_delta(Amount { mu2_pico: 0, ..account.cap });
    if let Some(rest) = residual(&loss, grant.epsilon.get(), gaussian_delta)? {
        let rest = Amount::cap(rest * rest, 0.0).mu2_pico.min(account.cap.mu2_pico);
        // Never nothing: a population that was charged is not untouched.
        let whole = Amount { mu2_pico: (account.cap.mu2_pico - rest).max(1), leak_atto: 0 };
        return Ok(Some(priced(Rule::Residual, whole)));
    }
    let fits = fits_exactly(&loss, grant.epsilon, grant.delta)?;
    Ok(fits.then(|| priced(Rule::Closing, account.cap)))
}
