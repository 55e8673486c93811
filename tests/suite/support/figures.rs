//! Lines of the table of reliability: what was done, and what was found.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Prints what `done` was done `n` times and how many faults of each kind it showed, and fails if there is one. No fault
/// in `n` trials says that the chance of one is below 3/n, at 95 %.
#[track_caller]
pub fn figure(goal: &str, (n, done): (usize, &str), faults: &[(usize, &str)]) {
    let found: Vec<String> = faults.iter().map(|(count, what)| format!("{count} {what}")).collect();
    let bad: usize = faults.iter().map(|(count, _)| count).sum();
    let bound = if bad == 0 { format!(" (0 of {n}: below {:.2} % each)", 300.0 / n as f64) } else { String::new() };
    println!("{goal}: {n} {done}: {}{bound}", found.join(", "));
    assert_eq!(bad, 0, "{goal}: {}", found.join(", "));
}

/// A generator of a test's own. Its seed is printed, and DP2STAGE_SEED gives it back.
pub fn dice(test: &str) -> ChaCha8Rng {
    let given = std::env::var("DP2STAGE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("{test}: DP2STAGE_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}
