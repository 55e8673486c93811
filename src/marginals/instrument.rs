//! What this room asks for: noisy counts.

/// What a measurement is for. Each is paid from an allowance of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Histograms of all columns.
    Histograms,
    /// How far the distribution of a round is from each candidate table.
    Scores(usize),
    /// The tables that a round chose.
    Tables(usize),
    /// What is wrong with the labels, step by step.
    Labels,
}

/// The measurement was not allowed, or not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a measurement was refused: it would cost more than was planned for it")]
pub struct Refused;

/// Whoever holds the private rows' noise and its price.
pub trait Instrument {
    /// Adds noise to whole numbers that were computed from the private rows, of which one row can move at most
    /// `sensitivity` in the Euclidean norm, for the price of a Gaussian of squared mean `mu2`. Returns the noise's
    /// standard deviation.
    ///
    /// # Errors
    /// [`Refused`] when the phase has less than `mu2` left; nothing was measured then.
    fn measure(&mut self, phase: Phase, counts: &mut [i64], sensitivity: u32, mu2: f64) -> Result<f64, Refused>;

    /// The largest sensitivity for which all that a phase has left can be spent at once: finer units than that cannot
    /// be measured in.
    fn most(&self, phase: Phase) -> u32;

    /// The squared mean that a phase has left.
    fn left(&self, phase: Phase) -> f64;
}
