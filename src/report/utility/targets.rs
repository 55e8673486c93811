//! The columns that models predict, the declared target and others.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::efficacy::{Efficacy, classification};
use super::regression::{Regression, regression};
use super::task::Question;
use super::trial::Tables;
use crate::report::section::Section;
use crate::tabular::Schema;

/// How well one column is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetUtility {
    /// The column.
    pub column: String,
    /// Models fitted on synthetic rows beside models fitted on real ones, both tested on held-out real rows.
    pub prediction: Section<Prediction>,
}

/// The scores of a column of classes or of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Prediction {
    /// Classes: categories, or a value against the rest.
    Classification(Box<Efficacy>),
    /// Numbers and moments.
    Regression(Regression),
}

/// Fits and scores models of column `target` from all other columns. Deterministic; every number is finite.
#[must_use]
pub fn utility(schema: &Schema, target: usize, tables: Tables<'_>) -> TargetUtility {
    let prediction = Question::of(schema, target).and_then(|question| match question {
        Question::Class(classes) => {
            classification(schema, target, classes, tables).map(|found| Prediction::Classification(Box::new(found)))
        }
        Question::Number => regression(schema, target, tables).map(Prediction::Regression),
    });
    TargetUtility { column: schema.columns()[target].name.clone(), prediction: prediction.into() }
}
