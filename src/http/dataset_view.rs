//! Datasets as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::json::{object, optional_object, word};
use super::privacy_unit::PrivacyUnit;
use super::problem::Problem;
use super::retention::{Choice, RetentionView};
use crate::privacy::{self, Delta, Epsilon};
use crate::store::{Dataset, Kept, Retention, Version};

/// What a custodian declares.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DatasetRequest {
    /// A name, unique in the installation, of 1 to 200 characters.
    #[schema(example = "adult")]
    pub name: String,
    /// The columns with their public domains: `{"columns": [...], "target": ..., "positive": ...}`.
    #[schema(value_type = Object, example = json!({"columns": [
        {"name": "age", "type": "integer", "min": 17, "max": 90},
        {"name": "weight", "type": "number", "min": 0, "max": 300, "step": 0.1},
        {"name": "workclass", "type": "categorical", "categories": ["Private", "State-gov"], "nullable": true},
        {"name": "admitted", "type": "datetime", "min": "2020-01-01", "max": "2026-12-31", "step": "1d"}],
        "target": "workclass"}))]
    pub schema: Value,
    /// What one unit of privacy is; `{"kind": "row"}` unless given.
    #[serde(default, deserialize_with = "object")]
    pub privacy_unit: PrivacyUnit,
    /// The privacy that all jobs together may spend; left out where `population` is given. A public table
    /// needs none.
    #[serde(default, deserialize_with = "optional_object")]
    pub budget: Option<Grant>,
    /// The population whose budget the jobs spend, where the table holds rows of people who are
    /// protected by a budget already: see `population` in the answer to the first declaration.
    #[serde(default)]
    pub population: Option<Uuid>,
    /// About how many rows there are: a number that you are willing to publish. It sets sampling
    /// rates and normalisers where rows are the unit of privacy; it is never counted from the rows.
    #[schema(example = 32000, minimum = 1)]
    pub rows_public: u64,
    /// `private` unless given. Never changes.
    #[serde(default, deserialize_with = "word")]
    pub access: Access,
    /// The share of rows (of persons, with all their rows, where they are the unit), each chosen by a
    /// coin of its own, that no training sees, so that reports can test on them; 0 to 0.5, 0.1 unless given. With 0 the report has no efficacy section.
    #[serde(default = "default_holdout")]
    #[schema(default = 0.1, minimum = 0, maximum = 0.5)]
    pub holdout: f64,
    /// For how long rows and results are kept; as the installation says unless given. May be chosen anew later.
    #[serde(default, deserialize_with = "optional_object")]
    pub retention: Option<Choice>,
}

fn default_holdout() -> f64 {
    0.1
}

/// Who may see the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Access {
    /// Nobody: they are trained on under the budget.
    #[default]
    Private,
    /// Everybody, they are no secret: jobs may train on them without privacy (`stage1: non_private`), and
    /// stage 1 of jobs on other tables may (`stage1: public`). Nothing is spent on them then.
    Public,
}

/// A pair (epsilon, delta).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    /// Epsilon, 0.001 to 1000.
    #[schema(example = 3.0)]
    pub epsilon: f64,
    /// Delta, 1e-15 to 0.1 and below one over the number of rows.
    #[schema(example = 1e-6)]
    pub delta: f64,
}

impl Grant {
    /// The grant, for this many declared units, under their name in the request; `at` is the grant's
    /// place in it.
    ///
    /// A mechanism that publishes one whole unit has delta 1/n: a promise with so large a delta would
    /// mean nothing, and is refused.
    pub fn checked(self, (count, units_public): (&str, i64), at: &str) -> Result<privacy::Grant, Problem> {
        let grant = privacy::Grant { epsilon: Epsilon::new(self.epsilon)?, delta: Delta::new(self.delta)? };
        let most = 1.0 / units_public as f64;
        if grant.delta.get() >= most {
            let detail = format!("delta must be below 1/{} = {most:.1e}, better below a tenth of it", count);
            return Err(Problem::invalid(at, detail));
        }
        Ok(grant)
    }
}

/// A dataset: public facts, and, for its custodian, what was uploaded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DatasetView {
    /// Its id.
    pub id: Uuid,
    /// Its name; usable in place of the id.
    pub name: String,
    /// The declaration with every default written out.
    #[schema(value_type = Object)]
    pub schema: Value,
    /// What one unit of privacy is.
    pub privacy_unit: PrivacyUnit,
    /// The declared number of rows.
    pub rows_public: i64,
    /// The share of rows that no training sees.
    pub holdout: f64,
    /// `private` or `public`.
    pub access: Access,
    /// Whose budget its jobs spend.
    pub population: Uuid,
    /// The latest upload, or null. Null in the released view, too: its count of rows is exact.
    pub rows: Option<VersionView>,
    /// For how long rows and results are kept, and what goes when.
    pub retention: RetentionView,
    /// Keys of the declaration that mean nothing here; only in the answer to its creation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// When it was declared.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl DatasetView {
    /// The view of a dataset with its latest upload.
    pub fn of(dataset: Dataset, rows: Option<Version>, (retention, kept): (&Retention, Kept)) -> Self {
        Self {
            retention: RetentionView::of(&dataset, retention, (rows.as_ref(), kept)),
            privacy_unit: PrivacyUnit::of(&dataset),
            id: dataset.id,
            name: dataset.name,
            schema: dataset.schema,
            rows_public: dataset.rows_public,
            holdout: dataset.holdout,
            access: if dataset.public { Access::Public } else { Access::Private },
            population: dataset.population_id,
            rows: rows.map(|v| VersionView::from(v).beside(dataset.rows_public)),
            ignored: Vec::new(),
            created_at: dataset.created_at,
        }
    }
}

/// An accepted upload.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionView {
    /// 1, 2, 3 in the order of upload.
    pub version: i32,
    /// Rows accepted, exactly.
    pub rows: i64,
    /// Bytes of the body as it was sent.
    pub bytes: i64,
    /// SHA-256 of the body as it was sent.
    pub sha256: String,
    /// When the upload was complete.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// A word of advice, when the declared number of rows is far from the exact one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl VersionView {
    /// The view with advice, if there is reason for any.
    pub fn beside(mut self, rows_public: i64) -> Self {
        if self.rows > 2 * rows_public || rows_public > 2 * self.rows {
            self.note = Some(format!(
                "the dataset declares rows_public {rows_public}: sampling and noise are set for that number, and \
                 results suffer when it is far off; declare the dataset anew with one that is closer"
            ));
        }
        self
    }
}

impl From<Version> for VersionView {
    fn from(v: Version) -> Self {
        Self {
            version: v.version,
            rows: v.rows,
            bytes: v.bytes,
            sha256: v.sha256,
            created_at: v.created_at,
            note: None,
        }
    }
}
