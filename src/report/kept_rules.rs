//! Whether rows keep the rules of the schema.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tables::Tables;
use crate::tabular::Table;

/// The rules of the schema, and how they are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KeptRules {
    /// Each rule, in the order of the schema.
    pub rules: Vec<KeptRule>,
    /// Rows that were drawn for the synthetic ones: those that broke a rule were drawn again, up to ten for each row. What
    /// the rules determine (sums, what is implied) was set. Absent where nobody counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub drawn: Option<u64>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptRule {
    /// The rule in words.
    pub rule: String,
    /// Synthetic rows that break it.
    pub broken_synthetic: u64,
    /// Real rows that break it, held-out ones too; none, since uploads that break rules are refused.
    pub broken_real: u64,
}

impl KeptRules {
    /// Counts; says why there is nothing to count where the schema has no rules.
    pub(super) fn of(tables: Tables<'_>) -> Result<Self, String> {
        let Tables { schema, train, held_out, synthetic } = tables;
        if schema.rules().is_empty() {
            return Err("The schema declares no rules that bind columns to each other.".into());
        }
        let rules = schema.rules().list().iter().map(|rule| {
            let broken = |table: &Table| table.iter().filter(|row| !rule.holds(schema.columns(), row)).count() as u64;
            KeptRule {
                rule: rule.text(schema.columns()),
                broken_synthetic: broken(synthetic),
                broken_real: broken(train) + broken(held_out),
            }
        });
        Ok(Self { rules: rules.collect(), drawn: None })
    }
}
