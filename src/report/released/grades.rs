//! What noisy marks say about a model.

use super::exam::Marks;
use super::figures::Noisy;

/// Deviations of the noise that a sum of counts must be above for a share of it to mean anything.
const CLEAR: f64 = 4.0;

/// The scores of a model on held-out real rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Grades {
    /// Held-out rows with a value of the target.
    pub rows: Noisy,
    /// Area under the ROC curve, where there is a positive value.
    pub roc_auc: Option<Noisy>,
    /// F1 of the positive value at probability 1/2, where there is one.
    pub f1: Option<Noisy>,
    /// The mean F1 of the classes that stand out of the noise.
    pub macro_f1: Noisy,
    /// The share of rows whose class was guessed.
    pub accuracy: Noisy,
    /// The share of rows of the commonest class: the accuracy of always the same guess.
    pub baseline: Noisy,
}

/// The grades behind noisy counts of marks whose noise has this deviation each; none where the noise drowns them.
#[must_use]
pub fn grades(marks: &Marks, counts: &[i64], deviation: f64) -> Option<Grades> {
    let counts: Vec<f64> = counts.iter().map(|&count| count as f64).collect();
    let confusion = Confusion::of(marks);
    let classes = confusion.classes;
    // A class has to stand out, or a share of it is noise over noise.
    let spread = deviation * ((counts.len() / classes) as f64).sqrt();
    let clear: Vec<usize> = (0..classes).filter(|&class| confusion.truly(&counts, class) >= CLEAR * spread).collect();
    if clear.len() < 2 {
        return None;
    }
    let noisy = |score: &dyn Fn(&[f64]) -> f64| Noisy::of(score, &counts, deviation);
    let share = |score: &dyn Fn(&[f64]) -> f64| noisy(score).within(0.0, 1.0);
    let binary = |score: &dyn Fn(&[f64]) -> f64| matches!(marks, Marks::Binary { .. }).then(|| share(score));
    Some(Grades {
        rows: noisy(&|counts| counts.iter().sum()).within(0.0, f64::MAX),
        roc_auc: binary(&area),
        f1: binary(&|counts| confusion.f1(counts, 1)),
        macro_f1: share(&|counts| {
            clear.iter().map(|&class| confusion.f1(counts, class)).sum::<f64>() / clear.len() as f64
        }),
        accuracy: share(&|counts| {
            (0..classes).map(|class| confusion.hits(counts, class)).sum::<f64>() / counts.iter().sum::<f64>()
        }),
        baseline: share(&|counts| {
            let most = (0..classes).map(|class| confusion.truly(counts, class)).fold(0.0, f64::max);
            most / counts.iter().sum::<f64>()
        }),
    })
}

/// The area under the ROC curve from marks of bins: a tie within a bin counts half.
fn area(counts: &[f64]) -> f64 {
    let (no, yes): (f64, f64) = counts.chunks_exact(2).fold((0.0, 0.0), |(no, yes), bin| (no + bin[0], yes + bin[1]));
    let (mut below, mut wins) = (0.0, 0.0);
    for bin in counts.chunks_exact(2) {
        wins += bin[1] * (below + 0.5 * bin[0]);
        below += bin[0];
    }
    wins / (no * yes)
}

/// What was guessed and what is true of every mark.
struct Confusion {
    classes: usize,
    said: Vec<usize>,
    truth: Vec<usize>,
}

impl Confusion {
    fn of(marks: &Marks) -> Self {
        match marks {
            Marks::Binary { edges, .. } => {
                let half = edges.partition_point(|&edge| edge < 0.5);
                let all = 0..marks.len();
                let said = all.clone().map(|mark| usize::from(mark / 2 > half)).collect();
                Self { classes: 2, said, truth: all.map(|mark| mark % 2).collect() }
            }
            Marks::Classes(classes) => {
                let n = classes.len();
                let all = 0..marks.len();
                let said = all.clone().map(|mark| mark / (n + 1)).collect();
                Self { classes: n, said, truth: all.map(|mark| mark % (n + 1)).collect() }
            }
        }
    }

    fn sum(counts: &[f64], of: impl Fn(usize) -> bool) -> f64 {
        counts.iter().enumerate().filter(|(mark, _)| of(*mark)).map(|(_, count)| count).sum()
    }

    fn hits(&self, counts: &[f64], class: usize) -> f64 {
        Self::sum(counts, |mark| self.said[mark] == class && self.truth[mark] == class)
    }

    fn truly(&self, counts: &[f64], class: usize) -> f64 {
        Self::sum(counts, |mark| self.truth[mark] == class)
    }

    fn f1(&self, counts: &[f64], class: usize) -> f64 {
        let said = Self::sum(counts, |mark| self.said[mark] == class);
        2.0 * self.hits(counts, class) / (said + self.truly(counts, class))
    }
}
