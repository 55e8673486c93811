//! The document that bought figures make.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::exam::{Marks, exam};
use super::grades::{Grades, grades};
use super::overlap::Overlaps;
use super::till::{RealRows, ReleasedPart, Till};
use crate::marginals::Refused;
use crate::report::section::Section;
use crate::report::utility::Question;
use crate::tabular::{Schema, Table};

/// Deviations on either side that hold 95 % of a Gaussian.
const NINETY_FIVE: f64 = 1.96;

/// A figure with noise in it, and the interval around it that holds the exact one in 19 of 20 cases. What the exact one
/// says about rows that nobody collected is another question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Noisy {
    /// The figure.
    pub value: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Noisy {
    /// A value whose noise has this deviation.
    #[must_use]
    pub fn new(value: f64, deviation: f64) -> Self {
        let half = NINETY_FIVE * deviation;
        Self { value, low: value - half, high: value + half }
    }

    /// A function of noisy counts, each with independent noise of this deviation: to first order.
    pub(super) fn of(function: &dyn Fn(&[f64]) -> f64, counts: &[f64], deviation: f64) -> Self {
        let step = deviation.max(1e-3) / 8.0;
        let mut moved = counts.to_vec();
        let mut squares = 0.0;
        for at in 0..counts.len() {
            moved[at] = counts[at] + step;
            let above = function(&moved);
            moved[at] = counts[at] - step;
            squares += ((above - function(&moved)) / (2.0 * step)).powi(2);
            moved[at] = counts[at];
        }
        Self::new(function(counts), deviation * squares.sqrt())
    }

    /// The same, moved into bounds that are known.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        let Self { value, low: from, high: to } = self;
        Self { value: value.clamp(low, high), low: from.clamp(low, high), high: to.clamp(low, high) }
    }
}

/// Figures about the synthetic table against the real one that everybody may know: differentially private, and paid for
/// by the job's `report.released_epsilon`. The real table is all rows of the dataset, those that were held out included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleasedFigures {
    /// The epsilon of these figures by themselves, which is a part of the job's.
    pub epsilon: f64,
    /// Their delta.
    pub delta: f64,
    /// Real rows.
    pub rows: Noisy,
    /// The mean histogram intersection of columns, from 0 to 1; high is good.
    pub one_way: Noisy,
    /// That of each column, in the order of the schema.
    pub columns: Vec<NoisyColumn>,
    /// The mean histogram intersection of pairs of columns, from 0 to 1; high is good.
    pub two_way: Section<Noisy>,
    /// What a model of the declared target is worth that was fitted on synthetic rows, on held-out real ones.
    pub target: Section<ReleasedTarget>,
}

/// The histogram intersection of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NoisyColumn {
    /// The column's name.
    pub column: String,
    /// Between 0 (nothing in common) and 1 (equal histograms).
    pub intersection: Noisy,
}

/// Gradient boosting, fitted on the synthetic table and scored on real rows that nothing was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleasedTarget {
    /// The column that is predicted.
    pub column: String,
    /// The value that counts as positive; absent where there are more than two classes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub positive: Option<String>,
    /// Held-out rows with a value of it.
    pub held_out_rows: Noisy,
    /// Area under the ROC curve, from twenty bins of probability; 0.5 is chance. Absent where there are more than two
    /// classes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub roc_auc: Option<Noisy>,
    /// F1 of the positive value at probability 1/2.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub f1: Option<Noisy>,
    /// The mean F1 of the classes that stand out of the noise.
    pub macro_f1: Noisy,
    /// The share of rows whose class was guessed.
    pub accuracy: Noisy,
    /// The accuracy of always the same guess.
    pub baseline_accuracy: Noisy,
}

/// Buys figures: counts of `real` rows go through `till`, and what comes out is made into a document. `cost` is the
/// (epsilon, delta) of all of it.
///
/// # Errors
/// [`Refused`] when a count was not charged for: a fault of the program.
pub fn released(
    schema: &Schema,
    real: RealRows<'_>,
    synthetic: &Table,
    (till, (epsilon, delta)): (&mut dyn Till, (f64, f64)),
) -> Result<ReleasedFigures, Refused> {
    let mut rows = [real.count() as i64];
    let deviation = till.release(ReleasedPart::Rows, &mut rows, 1)?;
    let (rows, counted) = (Noisy::new(rows[0] as f64, deviation).within(0.0, f64::MAX), rows[0].max(1));
    let overlaps = Overlaps::new(schema, real, synthetic, counted.unsigned_abs());
    // What is one row of noise in a count is a part of this in a share; the rows that it is a share of are noisy too.
    let share = |count: f64, own: f64| {
        let total = counted as f64;
        Noisy::new(count / total, own.hypot(deviation) / total).within(0.0, 1.0)
    };

    let mut columns = overlaps.columns();
    let width = columns.len();
    let own = till.release(ReleasedPart::Columns, &mut columns, root_above(width))?;
    let mean = columns.iter().map(|&count| count as f64).sum::<f64>() / width as f64;
    let named = schema.columns().iter().zip(&columns);
    let each = named
        .map(|(column, &count)| NoisyColumn { column: column.name.clone(), intersection: share(count as f64, own) });

    let two_way = match till.has(ReleasedPart::Pairs) {
        false => Err("The table has only one column, so there are no pairs.".to_owned()),
        true => {
            let mut pairs = [overlaps.pairs()];
            let own = till.release(ReleasedPart::Pairs, &mut pairs, 1)?;
            Ok(share(pairs[0] as f64, own))
        }
    };
    Ok(ReleasedFigures {
        epsilon,
        delta,
        rows,
        one_way: share(mean, own / (width as f64).sqrt()),
        columns: each.collect(),
        two_way: two_way.into(),
        target: target(schema, real.held_out, synthetic, till)?.into(),
    })
}

/// The declared target, or why there is nothing about it.
fn target(
    schema: &Schema,
    held_out: &Table,
    synthetic: &Table,
    till: &mut dyn Till,
) -> Result<Result<ReleasedTarget, String>, Refused> {
    let unpaid =
        "Nothing was bought about a target: the schema declares none that has classes, or no rows are held out.";
    let asked = schema.target().filter(|_| till.has(ReleasedPart::Target));
    let question = asked.and_then(|target| Some((target, Question::of(schema, target).ok()?)));
    let taken = question.and_then(|(at, question)| Some((at, exam(schema, (at, &question), synthetic, held_out)?)));
    let Some((at, exam)) = taken else { return Ok(Err(unpaid.into())) };
    let (marks, mut counts) = (exam.marks, exam.counts);
    let deviation = till.release(ReleasedPart::Target, &mut counts, 1)?;
    let column = &schema.columns()[at];
    let of = |grades: Grades| ReleasedTarget {
        column: column.name.clone(),
        positive: match &marks {
            Marks::Binary { positive, .. } => Some(column.text(*positive)),
            Marks::Classes(_) => None,
        },
        held_out_rows: grades.rows,
        roc_auc: grades.roc_auc,
        f1: grades.f1,
        macro_f1: grades.macro_f1,
        accuracy: grades.accuracy,
        baseline_accuracy: grades.baseline,
    };
    let drowned = "The noise is larger than what it was to say: too few held-out rows of a class for this \
                   `report.released_epsilon`.";
    Ok(grades(&marks, &counts, deviation).map(of).ok_or(drowned.into()))
}

/// The least whole number that is not below the square root.
fn root_above(count: usize) -> u32 {
    let root = count.isqrt();
    (if root * root < count { root + 1 } else { root }) as u32
}
