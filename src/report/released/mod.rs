//! What a report may release of real rows: figures that were bought with privacy.
//!
//! Every number that is computed from real rows here is a whole count that one row moves by at most 1, so that a few
//! deviations of noise are a few rows. They leave this room through a [`Till`], which adds the noise that was charged
//! for them; what is made of the noisy counts, [`ReleasedFigures`], is post-processing. Nothing here knows the
//! custodian's report, and no control flow depends on an exact count.
//!
//! Overlaps, not histograms: the intersection of two histograms is one number of sensitivity 1, however many bins
//! there are, and has no bias from noise in bins. It is counted in rows: the sum over bins of the smaller of the real
//! count and of the synthetic count scaled to as many rows as the real table (by its noisy count) has.

mod exam;
mod figures;
mod grades;
mod overlap;
mod till;

pub use exam::{Exam, Marks, PROBABILITY_BINS, exam};
pub use figures::{Noisy, NoisyColumn, ReleasedFigures, ReleasedTarget, released};
pub use grades::{Grades, grades};
pub use overlap::Overlaps;
pub use till::{RealRows, ReleasedPart, Till};
