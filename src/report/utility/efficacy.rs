//! ML efficacy of a column of classes: models fitted on synthetic rows, tested on real rows that nobody trained
//! on, beside the same models fitted on the real training rows, which is the most one may hope for.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::boosting::Boosting;
use super::calibration::{Calibration, calibration};
use super::logistic::Logistic;
use super::scores::{Scores, score_classes, score_positive};
use super::task::MAX_CLASSES;
use super::trial::{MIN_HELD_OUT, Rows, Trial};
use crate::report::tables::Tables;
use crate::tabular::{Code, Table};

/// The scores of both kinds of model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Efficacy {
    /// The column that is predicted.
    pub target: String,
    /// The value that counts as positive; absent when every class is told from the rest in turn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub positive: Option<String>,
    /// The classes that are each told from the rest, where there is no positive one: those with enough held-out rows,
    /// of very many the ten that most real training rows have.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Synthetic rows the models were fitted on.
    pub synthetic_rows: usize,
    /// Real training rows the models were fitted on.
    pub real_rows: usize,
    /// Held-out rows the models were scored on.
    pub held_out_rows: usize,
    /// What one gets without looking at a row: always giving each class its share of the real training rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub baseline: Option<Scores>,
    /// Logistic regression.
    pub logistic: Models,
    /// Gradient boosting of trees.
    pub boosting: Models,
}

/// One kind of model, fitted twice and scored on the same held-out rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Models {
    /// Fitted on the synthetic table.
    pub synthetic: Scores,
    /// Fitted on the real training rows: the ceiling.
    pub real: Scores,
    /// What the predicted probabilities are worth; absent where there is no positive value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub calibration: Option<Calibrations>,
}

/// The calibration of one kind of model, fitted twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calibrations {
    /// Fitted on the synthetic table.
    pub synthetic: Calibration,
    /// Fitted on the real training rows.
    pub real: Calibration,
}

/// Fits and scores both kinds of model of `classes` of column `target`.
///
/// # Errors
/// Why there is nothing to score, in words for the report.
pub(super) fn classification(target: usize, classes: Vec<Code>, tables: Tables<'_>) -> Result<Efficacy, String> {
    let binary = classes.len() == 1;
    let classes = largest(classes, tables.train, target);
    let trial = Trial::new(target, tables, classes.len());
    let classes = testable(classes, &trial, if binary { 1 } else { 2 })?;
    trial.can_be_fitted()?;
    let asked = Asked { trial: &trial, classes: &classes };
    let logistic = asked.models(|rows| asked.logistic(rows))?;
    let boosting = asked.models(|rows| asked.boosting(rows))?;
    let column = &tables.schema.columns()[target];
    let names: Vec<String> = classes.iter().map(|&class| column.text(class)).collect();
    Ok(Efficacy {
        target: column.name.clone(),
        positive: binary.then(|| names[0].clone()),
        classes: if binary { Vec::new() } else { names },
        synthetic_rows: trial.synthetic.rows.len(),
        real_rows: trial.train.rows.len(),
        held_out_rows: trial.held_out.rows.len(),
        baseline: asked.baseline(),
        logistic,
        boosting,
    })
}

/// Of very many classes those that most rows of `table` have.
pub(in crate::report) fn largest(mut classes: Vec<Code>, table: &Table, target: usize) -> Vec<Code> {
    if classes.len() > MAX_CLASSES {
        let mut counts = vec![0usize; classes.len()];
        let known = table.column(target).filter(|&code| (code as usize) < counts.len());
        known.collect::<Vec<_>>().into_iter().for_each(|code| counts[code as usize] += 1);
        classes.sort_by_key(|&class| (Reverse(counts[class as usize]), class));
        classes.truncate(MAX_CLASSES);
        classes.sort_unstable();
    }
    classes
}

/// The classes of which there are enough held-out rows inside and outside to score them.
fn testable(mut classes: Vec<Code>, trial: &Trial<'_>, needed: usize) -> Result<Vec<Code>, String> {
    let all = trial.held_out.rows.len();
    classes.retain(|&class| {
        let inside = trial.held_out.codes(trial.target).filter(|&code| code == class).count();
        inside >= MIN_HELD_OUT && all - inside >= MIN_HELD_OUT
    });
    if classes.len() < needed {
        return Err(format!(
            "Too few held-out rows: a class of the target is scored on at least {MIN_HELD_OUT} rows of it and \
             {MIN_HELD_OUT} others."
        ));
    }
    Ok(classes)
}

/// A trial with the classes that are told from the rest.
struct Asked<'a> {
    trial: &'a Trial<'a>,
    classes: &'a [Code],
}

/// The probabilities of every class, one a held-out row.
type Answers = Vec<Vec<f64>>;

impl Asked<'_> {
    fn models(&self, fit: impl Fn(&Rows<'_>) -> Result<Answers, String>) -> Result<Models, String> {
        let scored = |rows| {
            let answers = fit(rows)?;
            let scores = self.scores(&answers).ok_or("The held-out rows are all of one class.")?;
            Ok::<_, String>((scores, self.calibration(&answers)))
        };
        let ((synthetic, ours), (real, theirs)) = (scored(&self.trial.synthetic)?, scored(&self.trial.train)?);
        let calibration = ours.zip(theirs).map(|(synthetic, real)| Calibrations { synthetic, real });
        Ok(Models { synthetic, real, calibration })
    }

    fn logistic(&self, rows: &Rows<'_>) -> Result<Answers, String> {
        let [fit, test] = self.trial.sparse(rows);
        let tested = self.trial.held_out.rows.len();
        self.answers(rows, |labels| Some(Logistic::fit(&fit, labels).probabilities(&test, tested)))
    }

    fn boosting(&self, rows: &Rows<'_>) -> Result<Answers, String> {
        let Trial { layout, held_out, .. } = self.trial;
        let fit = layout.encode(rows.table, &rows.rows);
        self.answers(rows, |labels| {
            let model = Boosting::fit(&fit, layout.width(), labels)?;
            Some(model.probabilities(layout, held_out.table, &held_out.rows))
        })
    }

    /// Asks `model` (labels in, probabilities of the held-out rows out) about each class.
    fn answers(&self, rows: &Rows<'_>, model: impl Fn(&[bool]) -> Option<Vec<f64>>) -> Result<Answers, String> {
        let of_class = |&class: &Code| {
            let labels = self.labels(rows, class);
            // A table that knows one answer alone teaches to give it always.
            let constant = labels.iter().all(|&yes| yes == labels[0]);
            if constant { Some(self.always(f64::from(u8::from(labels[0])))) } else { model(&labels) }
        };
        let answers: Option<Answers> = self.classes.iter().map(of_class).collect();
        answers.ok_or_else(|| "The trees could not be fitted to this table.".into())
    }

    /// One probability for every held-out row.
    fn always(&self, probability: f64) -> Vec<f64> {
        vec![probability; self.trial.held_out.rows.len()]
    }

    fn baseline(&self) -> Option<Scores> {
        let rows = &self.trial.train;
        let share = |&class: &Code| {
            self.labels(rows, class).into_iter().filter(|yes| *yes).count() as f64 / rows.rows.len() as f64
        };
        self.scores(&self.classes.iter().map(|class| self.always(share(class))).collect::<Answers>())
    }

    fn scores(&self, answers: &Answers) -> Option<Scores> {
        match &answers[..] {
            [answer] => score_positive(&self.labels(&self.trial.held_out, self.classes[0]), answer),
            _ => score_classes(&self.truth(), answers),
        }
    }

    fn calibration(&self, answers: &Answers) -> Option<Calibration> {
        let [answer] = &answers[..] else { return None };
        Some(calibration(&self.labels(&self.trial.held_out, self.classes[0]), answer))
    }

    /// Whether each row is of `class`.
    fn labels(&self, rows: &Rows<'_>, class: Code) -> Vec<bool> {
        rows.codes(self.trial.target).map(|code| code == class).collect()
    }

    /// The place of each held-out row's class among those that are asked about.
    fn truth(&self) -> Vec<usize> {
        let place = |code| self.classes.iter().position(|&class| class == code).unwrap_or(self.classes.len());
        self.trial.held_out.codes(self.trial.target).map(place).collect()
    }
}
