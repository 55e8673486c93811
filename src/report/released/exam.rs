//! A model that was fitted on synthetic rows, asked about every held-out real row: each row is one mark in a table of
//! what was said against what is true.

use crate::report::utility::{Boosting, DenseLayout, Question, fit_rows, largest};
use crate::tabular::{Code, MISSING, Schema, Table};

/// Bins of about as many synthetic rows each that predicted probabilities are sorted into.
pub const PROBABILITY_BINS: usize = 20;

/// What marks mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Marks {
    /// Probabilities of the positive value against yes or no: mark `2 bin + yes`. `edges` rise; bin `b` is from edge
    /// `b - 1` to below edge `b`; one of them is 1/2.
    Binary {
        /// Where bins end.
        edges: Vec<f64>,
        /// The positive value.
        positive: Code,
    },
    /// The likeliest of some classes against the true one: mark `said (n + 1) + true`, where `n` stands for every class
    /// that is not among them.
    Classes(Vec<Code>),
}

impl Marks {
    /// How many different marks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Binary { edges, .. } => 2 * (edges.len() + 1),
            Self::Classes(classes) => classes.len() * (classes.len() + 1),
        }
    }

    /// Whether there is none, which does not happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An exam that was taken.
pub struct Exam {
    /// What marks mean; a function of the schema and of the synthetic rows.
    pub marks: Marks,
    /// How often each mark was given, exact. One row moves one of them by 1.
    pub counts: Vec<i64>,
}

/// Asks a model of column `target`, fitted by boosting on `synthetic`, about every row of `held_out` that has a value of
/// it. All rows are asked, however many there are: which ones are must not depend on how many there are.
#[must_use]
pub fn exam(
    schema: &Schema,
    (target, question): (usize, &Question),
    synthetic: &Table,
    held_out: &Table,
) -> Option<Exam> {
    let classes = match question {
        Question::Class(classes) => largest(classes.clone(), synthetic, target),
        Question::Number => return None,
    };
    let layout = DenseLayout::of(schema, target);
    let models = classes.len();
    let fitted = fit_rows(&layout, synthetic, target, models);
    let features = layout.encode(synthetic, &fitted);
    let asked: Vec<usize> = (0..held_out.rows()).filter(|&row| held_out.row(row)[target] != MISSING).collect();
    let fit = |&class: &Code| {
        let labels: Vec<bool> = fitted.iter().map(|&row| synthetic.row(row)[target] == class).collect();
        let model = both(&labels).then(|| Boosting::fit(&features, layout.width(), &labels)).flatten();
        let always = labels.iter().filter(|yes| **yes).count() as f64 / labels.len().max(1) as f64;
        let of = |table: &Table, rows: &[usize]| match &model {
            Some(model) => model.probabilities(&layout, table, rows),
            // A table that knows one answer alone teaches to give it always.
            None => vec![always; rows.len()],
        };
        (of(held_out, &asked), if models == 1 { of(synthetic, &fitted) } else { Vec::new() })
    };
    let answers: Vec<(Vec<f64>, Vec<f64>)> = classes.iter().map(fit).collect();
    let truth = |at: usize| held_out.row(asked[at])[target];
    let marks = match (&classes[..], &answers[..]) {
        ([positive], [(_, own)]) => Marks::Binary { edges: edges(own.clone()), positive: *positive },
        _ => Marks::Classes(classes),
    };
    let mut counts = vec![0; marks.len()];
    for at in 0..asked.len() {
        counts[marks.of(|class| answers[class].0[at], truth(at))] += 1;
    }
    Some(Exam { marks, counts })
}

impl Marks {
    /// The mark of a row of class `truth`, of which `said` tells the probability of each class by its place.
    fn of(&self, said: impl Fn(usize) -> f64, truth: Code) -> usize {
        match self {
            Self::Binary { edges, positive } => {
                let probability = said(0);
                2 * edges.partition_point(|&edge| edge <= probability) + usize::from(truth == *positive)
            }
            Self::Classes(classes) => {
                let likeliest = (0..classes.len()).max_by(|&a, &b| said(a).total_cmp(&said(b))).unwrap_or(0);
                let place = classes.iter().position(|&class| class == truth).unwrap_or(classes.len());
                likeliest * (classes.len() + 1) + place
            }
        }
    }
}

/// Whether both answers are among labels.
fn both(labels: &[bool]) -> bool {
    labels.iter().any(|&yes| yes) && !labels.iter().all(|&yes| yes)
}

/// Edges between bins of about as many of these probabilities each, and 1/2.
fn edges(mut probabilities: Vec<f64>) -> Vec<f64> {
    probabilities.sort_unstable_by(f64::total_cmp);
    let at = |k: usize| probabilities.get(k * probabilities.len() / PROBABILITY_BINS).copied();
    let mut edges: Vec<f64> = (1..PROBABILITY_BINS).filter_map(at).chain([0.5]).collect();
    edges.sort_unstable_by(f64::total_cmp);
    edges.dedup();
    edges
}
