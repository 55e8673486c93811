//! What one unit of privacy is: a row, or a person with several.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use crate::engine::{MAX_CELLS_OF_PERSON, MAX_ROWS_OF_PERSON, PersonUnit};
use crate::privacy::UnitKind;
use crate::store::{Dataset, PersonColumn};
use crate::tabular::{MAX_NAME, Schema};

/// One unit of privacy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum PrivacyUnit {
    /// A row. Somebody with several rows is protected less: a budget of epsilon 8 at delta 1e-6 means an
    /// epsilon of 18 for somebody with 2 rows, of 31 with 3, of 64 with 5. Where people may have several
    /// rows, say `person`.
    // With braces: serde lets a variant without them have any members.
    Row {},
    /// All rows of one person, of which the first `max_rows` count.
    Person {
        /// The column of uploads that says whose row it is. It is not in the schema, and never
        /// synthesised; what is stored of it are pseudonyms under a key that is forgotten.
        #[schema(example = "patient_id")]
        column: String,
        /// Rows that count of one person, 1 to 64; the first ones in the order of the upload.
        #[schema(value_type = u32, minimum = 1, maximum = 64, example = 5)]
        max_rows: NonZeroU32,
        /// About how many persons there are: a number that you are willing to publish. It sets
        /// sampling rates and normalisers. Unless given, `rows_public / max_rows`, rounded up.
        #[serde(default)]
        #[schema(minimum = 1)]
        persons_public: Option<u64>,
    },
}

impl Default for PrivacyUnit {
    fn default() -> Self {
        Self::Row {}
    }
}

impl PrivacyUnit {
    /// The kind, as the ledger knows it.
    pub fn kind(&self) -> UnitKind {
        match self {
            Self::Row {} => UnitKind::Row,
            Self::Person { .. } => UnitKind::Person,
        }
    }

    /// The persons, checked against the rest of a declaration.
    pub fn checked(&self, schema: &Schema, rows_public: u64) -> Result<Option<PersonColumn>, Problem> {
        let Self::Person { column, max_rows, persons_public } = self else { return Ok(None) };
        let invalid = |member: &str, detail: String| Err(Problem::invalid(&format!("privacy_unit.{member}"), detail));
        let name = column.trim();
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return invalid(
                "column",
                format!("a column has a name of 1 to {MAX_NAME} bytes, without control characters"),
            );
        }
        if schema.columns().iter().any(|column| column.name == name) {
            let detail = "the column that says whose row it is must not be in the schema: it is never synthesised";
            return invalid("column", detail.into());
        }
        let persons_public = persons_public.unwrap_or_else(|| rows_public.div_ceil(u64::from(max_rows.get())));
        if !(1..=rows_public).contains(&persons_public) {
            return invalid("persons_public", "persons_public is a number from 1 to rows_public".into());
        }
        let width = schema.width();
        if !(PersonUnit { persons_public, max_rows: *max_rows }).fits(width) {
            let most = (MAX_ROWS_OF_PERSON as usize).min(MAX_CELLS_OF_PERSON / width.max(1));
            return invalid("max_rows", format!("max_rows is a number from 1 to {most} in a table of {width} columns"));
        }
        Ok(Some(PersonColumn { name: name.to_owned(), max_rows: *max_rows, persons_public: persons_public as i64 }))
    }

    /// The unit of a dataset, with every default written out.
    pub fn of(dataset: &Dataset) -> Self {
        dataset.persons().map_or(Self::Row {}, |persons| Self::Person {
            column: persons.name,
            max_rows: persons.max_rows,
            persons_public: Some(persons.persons_public as u64),
        })
    }
}
