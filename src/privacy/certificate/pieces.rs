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
    /// How many there are, at least 1.
    pub count: u32,
    /// The different ones, and how often each is there: steps that do not divide come one more to a part.
    pub kinds: Vec<(Loss, u32)>,
}

impl Pieces {
    /// A plan in as few parts as it takes. How many is a question of rounding, not of soundness.
    pub fn of(loss: &Loss) -> Self {
        let overlap = Moments::new(&parts_of(loss), Direction::Remove).at(-0.5).log;
        let count = ((-overlap / LARGEST).ceil() as u32).max(1);
        let mut ends: Vec<u32> = loss.sampled().iter().map(|release| release.count % count).collect();
        ends.extend([0, count]);
        ends.sort_unstable();
        ends.dedup();
        // Parts between two ends have the same steps.
        let kinds = ends.windows(2).map(|ends| (loss.part(ends[0], count), ends[1] - ends[0])).collect();
        Self { count, kinds }
    }
}
