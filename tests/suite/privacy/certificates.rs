//! Certificates and residuals: against published numbers, an accountant of another make, and their laws.

use dp2stage::privacy::{
    Loss, NoiseMultiplier, Release, SamplingRate, certificate, gaussian_delta, gaussian_mean, residual,
};
use proptest::prelude::*;

use super::oracle::{Losses, Rounding, Side};

pub const EPSILON: f64 = 8.0;
pub const DELTA: f64 = 1e-6;

/// A loss of sampled releases `(q, sigma, steps)`.
pub fn loss(releases: &[(f64, f64, u32)]) -> Loss {
    let mut loss = Loss::default();
    for &(q, sigma, count) in releases {
        let (rate, sigma) = (SamplingRate::new(q).unwrap(), NoiseMultiplier::new(sigma).unwrap());
        loss.add_release(Release { rate, sigma, count }).unwrap();
    }
    loss
}

fn mu2(releases: &[(f64, f64, u32)], leak: f64) -> f64 {
    certificate(&loss(releases), leak).unwrap().powi(2)
}

/// Numbers of independent programs (float64, tilted and untilted connect-the-dots, grid step 1e-3).
#[test]
fn certificates_are_those_of_another_program() {
    let first = DELTA / 8.0;
    for (releases, expected) in [
        ([(0.01, 1.0, 1000)], 0.2226),
        ([(0.125, 20.0, 100)], 0.003959),
        ([(0.05, 2.0, 500)], 0.3844),
        ([(0.2, 4.0, 300)], 0.7999),
        ([(0.01, 1.0, 1050)], 0.2317),
    ] {
        let ours = mu2(&releases, first);
        println!("{releases:?}: {ours:.6}, {expected} there");
        assert!((ours / expected - 1.0).abs() < 2e-3, "{releases:?}: {ours}, {expected} there");
    }
    let constant = mu2(&[(0.01, 1.0, 1000)], DELTA / 256.0);
    assert!((constant / 0.2415 - 1.0).abs() < 2e-3, "{constant}");
}

/// One leak for a whole plan is cheaper than one for each part.
#[test]
fn a_plan_is_one_event() {
    let mut plan = loss(&[(0.01, 1.0, 1000)]);
    plan.add_gaussian(0.4, 1);
    let joint = certificate(&plan, DELTA / 8.0).unwrap().powi(2);
    assert!((joint / 0.3643 - 1.0).abs() < 2e-3, "{joint}");
    assert!(joint < 0.16 + mu2(&[(0.01, 1.0, 1000)], DELTA / 8.0));
}

/// What the exact rule charges a first plan, as a share of mu_B squared.
#[test]
fn residuals_are_those_of_another_program() {
    let cap = gaussian_mean(EPSILON, 0.75 * DELTA).powi(2);
    assert!((cap / 2.30086 - 1.0).abs() < 1e-5, "{cap}");
    for (release, certified, exact) in [
        ((0.01, 1.0, 1000), 0.0967, 0.0788),
        ((0.05, 2.0, 500), 0.1671, 0.1588),
        ((0.002, 0.6, 3000), 0.2875, 0.1135),
        ((0.01, 1.0, 8000), 0.6365, 0.6301),
        ((0.2, 4.0, 300), 0.3477, 0.3430),
    ] {
        let certificate = mu2(&[release], DELTA / 8.0) / cap;
        let rest = residual(&loss(&[release]), EPSILON, 0.75 * DELTA).unwrap().unwrap();
        let share = 1.0 - rest * rest / cap;
        println!("{release:?}: certificate {certificate:.4} ({certified}), exact {share:.4} ({exact})");
        assert!((certificate - certified).abs() < 1.5e-3 * certified + 1e-4, "{release:?}: {certificate}");
        assert!((share - exact).abs() < 1.5e-3 * exact + 1e-4, "{release:?}: {share}");
    }
    assert_eq!(residual(&loss(&[(0.2, 1.0, 300)]), 1.0, DELTA).unwrap(), None, "more than the whole budget");
}

/// The promise itself, on a fine grid and between its points: the certificate's Gaussian is above an
/// optimistic account of the loss, in both directions, and above no more than it must be.
fn dominates(release: (f64, f64, u32), leak: f64, h: f64) {
    let mean = certificate(&loss(&[release]), leak).unwrap();
    let (q, sigma, count) = release;
    let mut tightest = 0.0f64;
    for side in [Side::Remove, Side::Add] {
        let below = Losses::of(q, sigma, side, h, Rounding::Down).power(count);
        for i in 0..400 {
            let e = f64::from(i) * mean * 0.02;
            let (needed, given) = (below.delta(e), leak + (1.0 - leak) * gaussian_delta(mean, e));
            // The oracle's own rounding errors.
            assert!(needed <= given * (1.0 + 1e-9) + 1e-13, "{release:?} {side:?} at {e}: {needed:e} above {given:e}");
            tightest = tightest.max(needed / given);
        }
    }
    println!("{release:?}: at most {tightest:.4} of what is given");
    assert!(tightest > 0.5, "{release:?}: nowhere near: {tightest}");
}

#[test]
fn the_certificate_dominates_the_whole_curve() {
    for (release, h) in [
        ((0.01, 1.0, 1000), 2e-4),
        ((0.05, 2.0, 500), 2e-4),
        ((0.125, 20.0, 100), 2e-5),
        ((0.002, 0.6, 3000), 1e-4),
        ((0.5, 5.0, 30), 1e-3),
        // Cut in two.
        ((0.3, 0.75, 700), 2e-3),
    ] {
        dominates(release, 1e-8, h);
    }
}

/// The squared mean of the Gaussian whose two worlds overlap as much as those of the releases do, as
/// measured by the sum of `sqrt(P Q)`. Post-processing makes that larger, a leak smaller by `1 - leak`.
fn least_mu2((q, sigma, count): (f64, f64, u32), leak: f64) -> f64 {
    let (step, two_s2) = (sigma / 500.0, 2.0 * sigma * sigma);
    let root = |x: f64| {
        let (plain, shifted) = ((-x * x / two_s2).exp(), (-(x - 1.0).powi(2) / two_s2).exp());
        (plain * ((1.0 - q) * plain + q * shifted)).sqrt()
    };
    let reach = (12.0 * sigma / step) as i32;
    let sum: f64 = (-reach..reach + (1.0 / step) as i32).map(|i| root(f64::from(i) * step)).sum();
    let one = sum * step / (sigma * (2.0 * std::f64::consts::PI).sqrt());
    8.0 * ((-leak).ln_1p() - f64::from(count) * one.ln())
}

/// Found by the laws below: where a plan's profile is 1 but for rounding errors, no Gaussian's was seen to
/// be above it, and the search for one went on for ever. The first four are such draws of theirs.
#[test]
fn plans_whose_worlds_hardly_overlap_have_a_certificate() {
    for (release, leak) in [
        ((0.261_114_795_333_162_84, 0.748_232_095_328_906_6, 1679), 3.036_342_161_432_443_3e-10),
        ((0.298_583_505_301_684_3, 0.718_950_231_932_966, 1166), 9.241_569_970_978_416e-7),
        ((0.216_991_064_848_385_82, 0.732_384_212_189_763_1, 1842), 3.270_682_842_591_276e-7),
        ((0.374_540_614_253_182_47, 0.707_853_955_754_346_5, 813), 1.078_703_318_539_535_8e-6),
        ((0.9, 0.2, 2), 1e-6),
        ((0.9, 0.2, 20_000), 1e-6),
        ((0.01, 0.5, 1_000_000), 1e-8),
    ] {
        let (ours, least, (_, sigma, count)) = (mu2(&[release], leak), least_mu2(release, leak), release);
        // A plan of the same steps that is small enough not to be cut: more steps cost less each.
        let few = ((100.0 / least * f64::from(count)) as u32).clamp(1, count);
        let rated = mu2(&[(release.0, sigma, few)], leak) * f64::from(count) / f64::from(few);
        println!("{release:?}: {ours:.2}, at least {least:.2}, {rated:.2} in proportion to {few} steps");
        assert!(ours >= least * (1.0 - 1e-9), "{release:?}: {ours}, at least {least}");
        // A part's leak is smaller than that of the whole.
        assert!(ours <= 1.1 * rated, "{release:?}: {ours}, far above {rated}");
        assert!(ours <= f64::from(count) / (sigma * sigma) * (1.0 + 1e-9), "{release:?}: sampling only helps");
    }
}

/// Cutting a plan loses neither steps that do not divide nor the Gaussian beside them.
#[test]
fn cut_plans_are_whole() {
    let leak = 1e-6;
    let plan = |steps: u32, mean: f64| {
        let mut plan = loss(&[(0.9, 0.2, steps), (0.8, 0.25, 1)]);
        plan.add_gaussian(mean, 1);
        certificate(&plan, leak).unwrap().powi(2)
    };
    let mut before = plan(20, 0.0);
    for steps in 21..25 {
        let now = plan(steps, 0.0);
        println!("{steps}: {before:.2} and then {now:.2}");
        // Each is nearly the Gaussian of mean 5 that it would be without sampling.
        assert!(now - before > 20.0, "{steps}: {before} and then {now}");
        before = now;
    }
    let beside = plan(24, 5.0) - before;
    assert!((20.0..25.1).contains(&beside), "{beside}");
}

#[test]
fn a_loss_that_is_no_number_has_no_certificate() {
    for mean in [f64::NAN, f64::INFINITY] {
        let mut plan = loss(&[(0.01, 1.0, 10)]);
        plan.add_gaussian(mean, 1);
        assert!(certificate(&plan, 1e-6).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// More steps, a larger rate, less noise and a smaller leak never cost less; parts cost no more
    /// together than apart; what is left after a plan is a Gaussian that fits.
    #[test]
    fn certificates_obey_their_laws(lq in -6.0f64..-0.7, ls in -0.4f64..2.5, steps in 1u32..2000, ld in -22.0f64..-12.0) {
        let (q, sigma, leak) = (lq.exp(), ls.exp(), ld.exp());
        let Ok(mean) = certificate(&loss(&[(q, sigma, steps)]), leak) else { return Ok(()) };
        let slack = 1e-3;
        let at = |q: f64, sigma: f64, steps: u32, leak: f64| certificate(&loss(&[(q, sigma, steps)]), leak).unwrap();
        prop_assert!(mean.is_finite() && mean > 0.0);
        prop_assert!(at(q * 0.9, sigma, steps, leak) <= mean * (1.0 + slack));
        prop_assert!(at(q, sigma * 1.1, steps, leak) <= mean * (1.0 + slack));
        prop_assert!(at(q, sigma, steps.div_ceil(2), leak) <= mean * (1.0 + slack));
        prop_assert!(at(q, sigma, steps, leak * 3.0) <= mean * (1.0 + slack));
        prop_assert!(mean <= 1.0 / sigma * f64::from(steps).sqrt() * (1.0 + slack), "sampling only helps");
        let halves = at(q, sigma, steps.div_ceil(2), leak / 2.0);
        prop_assert!(mean * mean <= 2.0 * halves * halves * (1.0 + 2.0 * slack));
    }
}
