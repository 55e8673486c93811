//! ML efficacy: models fitted on synthetic rows, tested on real rows that nobody trained on, beside
//! the same models fitted on the real training rows, which is the most one may hope for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::boosting::Boosting;
use super::dense::DenseLayout;
use super::logistic::Logistic;
use super::scores::{Scores, score_classes, score_positive};
use super::sparse::SparseEncoder;
use super::task::Task;
use crate::tabular::{Schema, Table};

/// Held-out rows that a class needs, and as many outside it, for a score to say anything.
pub const MIN_HELD_OUT: usize = 10;

/// The scores of both kinds of model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Efficacy {
    /// The column that is predicted.
    pub target: String,
    /// The value that counts as positive; absent when every class is told from the rest in turn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub positive: Option<String>,
    /// Synthetic rows the models were fitted on.
    pub synthetic_rows: usize,
    /// Real training rows the models were fitted on.
    pub real_rows: usize,
    /// Held-out rows the models were scored on.
    pub held_out_rows: usize,
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
}

/// One question on one table: fit here, score there.
struct Trial<'a> {
    schema: &'a Schema,
    task: &'a Task,
    layout: &'a DenseLayout<'a>,
    held_out: &'a Table,
    test: &'a [usize],
}

/// Fits and scores both kinds of model.
///
/// # Errors
/// Why there is nothing to score, in words for the report.
pub fn efficacy(schema: &Schema, train: &Table, held_out: &Table, synthetic: &Table) -> Result<Efficacy, String> {
    let mut task = Task::of(schema)?;
    let layout = DenseLayout::of(schema, task.target);
    let test = task.rows(&layout, held_out);
    keep_testable(&mut task, held_out, &test)?;

    let trial = Trial { schema, task: &task, layout: &layout, held_out, test: &test };
    let (of_synthetic, of_real) = (task.rows(&layout, synthetic), task.rows(&layout, train));
    if of_synthetic.is_empty() || of_real.is_empty() {
        let which = if of_real.is_empty() { "real training" } else { "synthetic" };
        return Err(format!("No {which} row has a value of the target."));
    }
    let logistic =
        Models { synthetic: trial.logistic(synthetic, &of_synthetic)?, real: trial.logistic(train, &of_real)? };
    let boosting =
        Models { synthetic: trial.boosting(synthetic, &of_synthetic)?, real: trial.boosting(train, &of_real)? };
    let column = &schema.columns()[task.target];
    Ok(Efficacy {
        target: column.name.clone(),
        positive: task.is_binary().then(|| column.text(task.classes[0])),
        synthetic_rows: of_synthetic.len(),
        real_rows: of_real.len(),
        held_out_rows: test.len(),
        logistic,
        boosting,
    })
}

/// Drops the classes of which there are too few held-out rows inside or outside to score them.
fn keep_testable(task: &mut Task, held_out: &Table, test: &[usize]) -> Result<(), String> {
    let needed = if task.is_binary() { 1 } else { 2 };
    let target = task.target;
    task.classes.retain(|&class| {
        let inside = test.iter().filter(|&&row| held_out.row(row)[target] == class).count();
        inside >= MIN_HELD_OUT && test.len() - inside >= MIN_HELD_OUT
    });
    if task.classes.len() < needed {
        return Err(format!(
            "Too few held-out rows: a class of the target is scored on at least {MIN_HELD_OUT} rows of it and \
             {MIN_HELD_OUT} others."
        ));
    }
    Ok(())
}

impl Trial<'_> {
    fn logistic(&self, table: &Table, rows: &[usize]) -> Result<Scores, String> {
        let encoder = SparseEncoder::fit(self.schema, self.task.target, table, rows);
        let (fit, test) = (encoder.encode(table, rows), encoder.encode(self.held_out, self.test));
        self.scores(table, rows, |labels| Some(Logistic::fit(&fit, labels).probabilities(&test, self.test.len())))
    }

    fn boosting(&self, table: &Table, rows: &[usize]) -> Result<Scores, String> {
        let fit = self.layout.encode(table, rows);
        self.scores(table, rows, |labels| {
            let model = Boosting::fit(&fit, self.layout.width(), labels)?;
            Some(model.probabilities(self.layout, self.held_out, self.test))
        })
    }

    /// Asks `model` (labels in, probabilities of the held-out rows out) about each class.
    fn scores(
        &self,
        table: &Table,
        rows: &[usize],
        model: impl Fn(&[bool]) -> Option<Vec<f64>>,
    ) -> Result<Scores, String> {
        let mut probabilities = Vec::new();
        for &class in &self.task.classes {
            let labels = self.task.labels(table, rows, class);
            // A table that knows one answer alone teaches to give it always.
            let constant = labels.iter().all(|&yes| yes == labels[0]);
            let answer =
                if constant { Some(vec![f64::from(u8::from(labels[0])); self.test.len()]) } else { model(&labels) };
            probabilities.push(answer.ok_or("The trees could not be fitted to this table.")?);
        }
        let scores = if let [answer] = &probabilities[..] {
            score_positive(&self.task.labels(self.held_out, self.test, self.task.classes[0]), answer)
        } else {
            score_classes(&self.truth(), &probabilities)
        };
        scores.ok_or_else(|| "The held-out rows are all of one class.".into())
    }

    /// The place of each held-out row's class among those that are asked about.
    fn truth(&self) -> Vec<usize> {
        let classes = &self.task.classes;
        let place = |code| classes.iter().position(|&class| class == code).unwrap_or(classes.len());
        self.test.iter().map(|&row| place(self.held_out.row(row)[self.task.target])).collect()
    }
}
