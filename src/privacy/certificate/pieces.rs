//! A plan cut into parts that run one after the other.
//!
//! Each part is post-processing of a Gaussian, unless it leaks; so all of it is post-processing of all of
//! them, which is one Gaussian whose squared mean is the sum, unless one of them leaks.
//!
//! Only plans so large that their two worlds hardly overlap are cut. There the profile is 1 but for
//! less than the rounding errors of a transform, and no Gaussian is seen to cover it.

use crate::privacy::loss::Loss;
use crate::privacy::pld::{Direction, Moments, parts_of};

/// The largest `-ln sum sqrt(P Q)` of a part. A Gaussian of mean mu has mu squared over 8: this is one of
/// mean 11, whose worlds overlap by 4e-8.
const LARGEST: f64 = 15.0;

/// The parts of a plan.
pub struct Pieces {
    /// How many there are that need a leak, at least 1.
    pub leaking: u32,
    /// The different ones, and how often each is there: steps that do not divide come one more to a part.
    pub kinds: Vec<(Loss, u32)>,
}

impl Pieces {
    /// A plan with sampled releases, whole or in as few parts as it takes. How many is a question of
    /// rounding, not of soundness.
    pub fn of(loss: &Loss) -> Self {
        if distance(loss) <= LARGEST {
            return Self { leaking: 1, kinds: vec![(loss.clone(), 1)] };
        }
        // The Gaussian is its own certificate, whole, and needs no leak.
        let (gaussian, sampled) = loss.apart();
        let leaking = ((distance(&sampled) / LARGEST).ceil() as u32).max(1);
        let mut ends: Vec<u32> = sampled.sampled().iter().map(|release| release.count % leaking).collect();
        ends.extend([0, leaking]);
        ends.sort_unstable();
        ends.dedup();
        // Parts between two ends have the same steps.
        let equal = ends.windows(2).map(|ends| (sampled.part(ends[0], leaking), ends[1] - ends[0]));
        Self { leaking, kinds: equal.chain([(gaussian, 1)]).collect() }
    }
}

fn distance(loss: &Loss) -> f64 {
    -Moments::new(&parts_of(loss), Direction::Remove).at(-0.5).log
}
