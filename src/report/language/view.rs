//! What a language model knows of the table.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::effort::{Energy, Generation};
use crate::report::evidence::{LEVEL, Proportion, unmeasured, wilson};
use crate::report::section::Section;

const SAYS: &str = "Perplexity is how many equally likely choices the model seems to hesitate between: 1 is \
                    certainty. It is measured on held-out rows, so that knowing them by heart does not help. Times and \
                    energy depend on the machine and its load and, weakly, on how many rows there are: they are for \
                    the custodian.";

/// The exponential of the mean of minus the logarithm of what a language model gives to the cells of held-out rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Perplexity {
    /// Of the values, each given those written before it: 1 for a model that knows them all, the number of values for
    /// one that knows nothing of a column. Names of columns are never in doubt: the model is asked for values alone.
    pub values: f64,
}

/// The language model of a job and what it took. Exact, for the custodian alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LanguageView {
    /// What these figures are.
    pub says: String,
    /// How rows are written: `compact`, one token a column, or `text`, sentences.
    pub codec: String,
    /// How surprised the model is by held-out rows.
    pub perplexity: Section<Perplexities>,
    /// How many rows would be valid if nothing but the model chose the tokens.
    pub validity: Section<Validity>,
    /// The writing of the rows.
    pub generation: Section<Generation>,
    /// The energy of training and generation together.
    pub energy: Section<Energy>,
}

/// How surprised a model is by held-out rows. The lower, the better; 1 at least.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Perplexities {
    /// Of a value, given those written before it, among the values that the column may have: 1 for a model that knows
    /// them all, the number of values for one that knows nothing of a column.
    pub values: f64,
    /// Of single tokens among all tokens that there are, as the model is when nothing constrains it.
    pub names: Section<TokenPerplexities>,
}

/// Perplexities of single tokens of sentences among all tokens of the tokenizer. The lower, the better; 1 at least, and
/// the size of the vocabulary for a model that knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenPerplexities {
    /// Of the tokens of the names of columns and of what stands between values. The service feeds these to the model
    /// and never trains them, so a large figure is no fault here.
    pub names: f64,
    /// Of the tokens of the values.
    pub values: f64,
    /// Held-out rows that were looked at.
    pub rows: usize,
}

/// How often a model that is free to write any token writes a valid row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Validity {
    /// Rows that were written without constraints.
    pub rows: usize,
    /// The part of them that are rows of the schema, every column in its place with a value that it may have. From 0 to
    /// 1; the rows of the synthetic table are written under constraints, so that all of them are valid whatever this
    /// is.
    pub valid: Proportion,
}

impl Validity {
    /// So many valid rows of those that were written.
    #[must_use]
    pub fn of(valid: usize, rows: usize) -> Self {
        Self { rows, valid: wilson(valid as f64, rows, LEVEL) }
    }
}

impl LanguageView {
    /// A view of which nothing is measured yet.
    #[must_use]
    pub fn new(codec: &str) -> Self {
        Self {
            says: SAYS.into(),
            codec: codec.into(),
            perplexity: unmeasured(),
            validity: unmeasured(),
            generation: unmeasured(),
            energy: unmeasured(),
        }
    }
}
