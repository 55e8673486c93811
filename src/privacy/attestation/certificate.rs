//! What a certificate says, member by member.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::charge::Charge;
use super::keys::PublicKey;
use super::words::{does_not_promise, promises};
use crate::privacy::event::DpEvent;
use crate::privacy::ledger::{Amount, Rule, UnitKind, Work};
use crate::privacy::units::{Delta, Epsilon};

/// What one job was charged for and what follows from it, for third parties. All of it is public or released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// `dp2stage-certificate`.
    pub form: String,
    /// 1. The meaning of members never changes under the same number.
    pub version: u32,
    /// Who says so.
    pub issuer: Issuer,
    /// When it was signed. A certificate is signed once and kept: whoever asks again gets the same bytes.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// The job.
    pub job: JobFacts,
    /// What is guaranteed about this job by itself.
    pub guarantee: Guarantee,
    /// Where the budget of the people stood after it, and what is guaranteed about everything that is released of them.
    pub ledger: LedgerPosition,
    /// What was done to private rows.
    pub mechanism: Mechanism,
    /// SHA-256 of the schema and of what the job left.
    pub artifacts: ArtifactDigests,
    /// What reports about the job tell and cost.
    pub reports: ReportCharges,
    /// In words, what the figures mean.
    pub promises: Vec<String>,
    /// In words, what nobody should read into them.
    pub does_not_promise: Vec<String>,
}

/// Who issued a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The name of the key: its thumbprint (RFC 7638), the `keyid` of the signature.
    pub key_id: String,
    /// The 32 bytes of the key in base64. That a certificate fits the key that it names itself says who signed nothing:
    /// take the key from `GET /v1/certificate-keys`, or from its owner.
    pub public_key: String,
    /// The program that signed: its version, and `+COMMIT` where the build was told.
    pub program: String,
}

/// The job of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobFacts {
    /// Its id.
    pub id: Uuid,
    /// The private table.
    pub dataset: DatasetFacts,
    /// Synthetic rows that it wrote.
    pub rows: u64,
    /// When it succeeded.
    #[serde(with = "time::serde::rfc3339")]
    pub finished_at: OffsetDateTime,
    /// The program that carried out the last attempt, as in `issuer`; null where that was not written down.
    pub program: Option<String>,
}

/// The table of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetFacts {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether the custodian declared the rows public: then nothing is protected.
    pub public: bool,
    /// The number of rows that the custodian declared; it need not be the true one.
    pub rows_declared: i64,
}

/// What is guaranteed about one job, had it been the only one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Guarantee {
    /// What one unit of privacy is.
    pub unit: UnitKind,
    /// How rows belong to persons, where those are the units.
    pub person: Option<PersonFacts>,
    /// `add_or_remove_one_unit`: tables are neighbours when one has a unit that the other lacks.
    pub neighbours: String,
    /// Epsilon of `mechanism.event` at `delta`, as the accountant found it: an upper bound, at least 0. Smaller is more
    /// private.
    pub epsilon: f64,
    /// The probability with which that may fail, 1e-15 to 0.1.
    #[schema(value_type = f64)]
    pub delta: Delta,
    /// The epsilon that the job was planned for: `epsilon` is at most this.
    #[schema(value_type = f64)]
    pub epsilon_planned: Epsilon,
}

/// Persons as units of privacy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonFacts {
    /// The column of uploads that says whose row it is; it is never synthesised.
    pub column: String,
    /// Rows that count of one person; further ones are dropped.
    pub max_rows: u32,
    /// The number of persons that the custodian declared.
    pub persons_declared: i64,
}

/// Where the ledger stood after the job's last line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerPosition {
    /// Whose ledger: the people that one budget protects.
    pub population: Uuid,
    /// The granted epsilon: what is guaranteed about everything that is ever released about these people, while the
    /// grant is not raised.
    #[schema(value_type = f64)]
    pub epsilon_guaranteed: Epsilon,
    /// The delta of that.
    #[schema(value_type = f64)]
    pub delta: Delta,
    /// About how many units there are, as declared.
    pub units_declared: i64,
    /// The number of the job's last line, from 1.
    pub entry: i64,
    /// The digest of that line, which covers all before it: find it in the exported ledger.
    pub head: String,
    /// What the job was charged: mu squared in units of 1e-12, leaks in units of 1e-18.
    #[schema(value_type = Object)]
    pub charged: Amount,
    /// What all jobs had been charged by then.
    #[schema(value_type = Object)]
    pub spent: Amount,
    /// What the grant buys.
    #[schema(value_type = Object)]
    pub cap: Amount,
    /// The share of the cap that was spent, 0 to 1.
    pub spent_share: f64,
}

/// What was done to private rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Mechanism {
    /// Everything that was charged, with the names of Google's `dp_accounting.DpEvent`. Never less than what was done.
    #[schema(value_type = Object)]
    pub event: DpEvent,
    /// The plan, fixed before the first private byte was read: what is measured first, one block of training, and how
    /// many blocks and spare blocks there are.
    #[schema(value_type = Object)]
    pub work: Work,
    /// Private steps; null where nothing was trained on private rows.
    pub steps: Option<Steps>,
    /// How the price was found.
    pub rule: Rule,
    /// What the accounting rests on: sampler, clipping norm, normaliser, the source and the kind of noise, what is
    /// released.
    #[schema(value_type = Object)]
    pub facts: Value,
    /// How epsilon was found.
    pub accountant: Accountant,
}

/// Private steps of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Steps that the released weights are the result of.
    pub executed: u32,
    /// Steps that were reserved, those of spare blocks included.
    pub reserved: u32,
    /// Steps that were charged. How many of the spare ones were used is not told where they are all charged at once,
    /// since how often something must be repeated may depend on rows.
    pub charged: u32,
}

/// How epsilon was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Accountant {
    /// The method.
    pub method: String,
    /// The version of the program whose accountant it is.
    pub program: String,
}

impl Accountant {
    /// The method, in words.
    const METHOD: &'static str = "an upper bound by the distribution of the privacy loss (connect the dots, rounded \
        up, both directions of add and remove, sampled Gaussians composed by Fourier transform) or by Renyi \
        divergences, whichever is smaller; exact for Gaussians on all units";

    /// The accountant of this program.
    #[must_use]
    pub fn of(program: &str) -> Self {
        Self { method: Self::METHOD.to_owned(), program: program.to_owned() }
    }
}

/// SHA-256 digests in hex. None is of private rows: those of a small table could be found by trying.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactDigests {
    /// Of the declared schema as the API gives it, as JSON with sorted keys and no spaces.
    pub schema: String,
    /// Of the whole synthetic table as `GET /v1/jobs/{job}/synthetic` gives it: CSV.
    pub synthetic_csv: String,
    /// Of the same with `?raw=true`, where that is another text: where names or categories look like formulas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic_csv_raw: Option<String>,
    /// Of the synthetic rows as they are stored.
    pub synthetic_rows: String,
    /// Of the trained weights, where there are some.
    pub model: Option<String>,
    /// Of the distribution that was fitted to noisy counts, where there is one.
    pub distribution: Option<String>,
    /// Of the figures for everybody, as they are stored, where some were bought.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub figures: Option<String>,
    /// Of the files of the ready-made model that it started from, by name.
    pub ready_made: BTreeMap<String, String>,
}

/// What reports tell about private rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportCharges {
    /// The epsilon that released metrics cost, which is a part of the job's; 0 when there are none.
    pub released_epsilon: f64,
    /// Whether the custodian has a report with exact figures, which no epsilon covers.
    pub exact_for_custodian: bool,
}

impl Certificate {
    /// The name of the form.
    pub const FORM: &'static str = "dp2stage-certificate";
    /// The version of the form.
    pub const VERSION: u32 = 1;
    /// The neighbouring relation.
    pub const NEIGHBOURS: &'static str = "add_or_remove_one_unit";

    /// A certificate of a job; `epsilon` is what the accountant says about its events.
    #[must_use]
    pub fn new(
        (key, program, issued_at): (&PublicKey, &str, OffsetDateTime),
        job: JobFacts,
        (charge, epsilon, person): (Charge, f64, Option<PersonFacts>),
        artifacts: ArtifactDigests,
        reports: ReportCharges,
    ) -> Self {
        let steps = charge.steps();
        let mut certificate = Self {
            form: Self::FORM.to_owned(),
            version: Self::VERSION,
            issuer: Issuer { key_id: key.id(), public_key: key.to_base64(), program: program.to_owned() },
            issued_at,
            job,
            guarantee: Guarantee {
                unit: charge.unit,
                person,
                neighbours: Self::NEIGHBOURS.to_owned(),
                epsilon,
                delta: charge.planned.delta,
                epsilon_planned: charge.planned.epsilon,
            },
            ledger: charge.position,
            mechanism: Mechanism {
                event: charge.event,
                work: charge.work,
                steps,
                rule: charge.rule,
                facts: charge.facts,
                accountant: Accountant::of(program),
            },
            artifacts,
            reports,
            promises: Vec::new(),
            does_not_promise: Vec::new(),
        };
        certificate.promises = promises(&certificate);
        certificate.does_not_promise = does_not_promise(&certificate);
        certificate
    }
}

/// SHA-256, in hex, of a JSON document with sorted keys and no spaces.
#[must_use]
pub fn digest_of_json(document: &Value) -> String {
    // A map of JSON is kept in the order of its keys.
    hex::encode(Sha256::digest(document.to_string().as_bytes()))
}
