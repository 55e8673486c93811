//! ML efficacy of a column of numbers: as of classes, by regression.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::boosting::BoostedNumber;
use super::errors::{NumberScores, score_numbers};
use super::linear::Linear;
use super::trial::{MIN_HELD_OUT, Rows, Trial};
use crate::report::tables::Tables;
use crate::tabular::Column;

/// The scores of both kinds of model of a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Regression {
    /// The column that is predicted.
    pub target: String,
    /// Synthetic rows the models were fitted on.
    pub synthetic_rows: usize,
    /// Real training rows the models were fitted on.
    pub real_rows: usize,
    /// Held-out rows the models were scored on.
    pub held_out_rows: usize,
    /// What one gets without looking at a row: always the mean of the real training rows.
    pub baseline: NumberScores,
    /// Linear regression with an L2 penalty of 1 on standardised features.
    pub linear: NumberModels,
    /// Gradient boosting of trees with squared loss.
    pub boosting: NumberModels,
}

/// One kind of model of a number, fitted twice and scored on the same held-out rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberModels {
    /// Fitted on the synthetic table.
    pub synthetic: NumberScores,
    /// Fitted on the real training rows: the ceiling.
    pub real: NumberScores,
}

/// Fits and scores both kinds of model of column `target`, which holds numbers.
///
/// # Errors
/// Why there is nothing to score, in words for the report.
pub(super) fn regression(target: usize, tables: Tables<'_>) -> Result<Regression, String> {
    let trial = Trial::new(target, tables, 1);
    let column = &tables.schema.columns()[target];
    let truth = values(column, &trial.held_out, target);
    if truth.len() < MIN_HELD_OUT {
        return Err(format!("Too few held-out rows: a number is scored on at least {MIN_HELD_OUT} rows with a value."));
    }
    trial.can_be_fitted()?;
    let known = values(column, &trial.train, target);
    let scored = |answers: &[f64]| score_numbers(&truth, answers).ok_or("The held-out rows all have one value.");
    let baseline = scored(&vec![known.iter().sum::<f64>() / known.len() as f64; truth.len()])?;

    let linear = |rows: &Rows<'_>| {
        let [fit, test] = trial.sparse(rows);
        Ok::<_, String>(scored(&Linear::fit(&fit, &values(column, rows, target)).predict(&test, truth.len()))?)
    };
    let boosting = |rows: &Rows<'_>| Ok::<_, String>(scored(&boosted(&trial, column, rows)?)?);
    Ok(Regression {
        target: column.name.clone(),
        synthetic_rows: trial.synthetic.rows.len(),
        real_rows: trial.train.rows.len(),
        held_out_rows: truth.len(),
        baseline,
        linear: NumberModels { synthetic: linear(&trial.synthetic)?, real: linear(&trial.train)? },
        boosting: NumberModels { synthetic: boosting(&trial.synthetic)?, real: boosting(&trial.train)? },
    })
}

fn values(column: &Column, rows: &Rows<'_>, target: usize) -> Vec<f64> {
    rows.codes(target).filter_map(|code| column.number(code)).collect()
}

fn boosted(trial: &Trial<'_>, column: &Column, rows: &Rows<'_>) -> Result<Vec<f64>, String> {
    let Trial { layout, held_out, target, .. } = trial;
    let known = values(column, rows, *target);
    // A table that knows one answer alone teaches to give it always.
    if known.iter().all(|value| *value == known[0]) {
        return Ok(vec![known[0]; held_out.rows.len()]);
    }
    let features = layout.encode(rows.table, &rows.rows);
    let model = BoostedNumber::fit(&features, layout.width(), &known);
    let model = model.ok_or("The trees could not be fitted to this table.")?;
    Ok(model.predict(layout, held_out.table, &held_out.rows))
}
