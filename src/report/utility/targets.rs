//! The columns that models predict, the declared target and others.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::efficacy::{Efficacy, classification};
use super::regression::{Regression, regression};
use super::task::Question;
use crate::report::section::Section;
use crate::report::tables::Tables;

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
pub fn utility(target: usize, tables: Tables<'_>) -> TargetUtility {
    let prediction = Question::of(tables.schema, target).and_then(|question| match question {
        Question::Class(classes) => {
            classification(target, classes, tables).map(|found| Prediction::Classification(Box::new(found)))
        }
        Question::Number => regression(target, tables).map(Prediction::Regression),
    });
    TargetUtility { column: tables.schema.columns()[target].name.clone(), prediction: prediction.into() }
}
