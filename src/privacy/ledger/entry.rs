//! One line of a ledger: what it says, and the digest that ties it to the line before.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::amount::Amount;
use super::grant::Grant;
use super::price::{Price, Work};

/// SHA-256 over a line and, through the digest before it, over all lines before.
pub type Digest = [u8; 32];

/// What the first line of a ledger follows.
pub const FIRST: Digest = [0; 32];

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// The custodian allowed it, or raised it. The amount is the cap that holds from here on.
    Grant,
    /// An admitted job holds it.
    Reservation,
    /// Irrevocable, written before the first noise was drawn.
    Charge,
    /// A reservation, or what is left of it, handed back untouched.
    Release,
}

impl EntryKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Grant, Self::Reservation, Self::Charge, Self::Release];

    /// The word for it in the database and the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Reservation => "reservation",
            Self::Charge => "charge",
            Self::Release => "release",
        }
    }

    /// The kind that a word stands for.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// 1, 2, 3 in the order of writing, in each ledger.
    pub seq: i64,
    /// What it says.
    pub kind: EntryKind,
    /// The job; none on a grant.
    pub job_id: Option<Uuid>,
    /// The number of the block on a charge in block mode, 0 otherwise.
    pub block: i32,
    /// How much.
    pub amount: Amount,
    /// When, in microseconds of Unix time.
    pub at_micros: i64,
    /// The details as JSON text, byte for byte as they were written: a [`GrantRecord`], a
    /// [`ReservationRecord`], or `{}`.
    pub record: String,
    /// The digest.
    #[serde(with = "hex::serde")]
    pub digest: Digest,
}

impl Entry {
    /// The digest that the line should have after a line with the digest `before`, in the ledger of
    /// `population`. Every part goes in with its length, so that no two lines read the same.
    #[must_use]
    pub fn digest_after(&self, before: &Digest, population: Uuid) -> Digest {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(b"dp2stage ledger 1");
        part(before);
        part(population.as_bytes());
        part(&self.seq.to_le_bytes());
        part(self.kind.word().as_bytes());
        part(self.job_id.as_ref().map_or(&[], |id| id.as_bytes().as_slice()));
        part(&self.block.to_le_bytes());
        part(&self.amount.mu2_pico.to_le_bytes());
        part(&self.amount.leak_atto.to_le_bytes());
        part(&self.at_micros.to_le_bytes());
        part(self.record.as_bytes());
        hash.finalize().into()
    }
}

/// What one unit of privacy is. A ledger has one kind, and takes only jobs that keep to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UnitKind)]
pub enum UnitKind {
    /// One row.
    Row,
    /// All rows of one person.
    Person,
}

impl UnitKind {
    /// The word for it in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Person => "person",
        }
    }

    /// The unit that a word stands for.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Row, Self::Person].into_iter().find(|unit| unit.word() == word)
    }
}

/// The version of the records below. Their meaning never changes under the same number.
pub const RECORD_VERSION: u32 = 1;

/// The details of a grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// What is guaranteed from here on.
    pub grant: Grant,
    /// What one unit of privacy is.
    pub unit: UnitKind,
    /// About how many units there are, as declared.
    pub units_public: i64,
}

impl GrantRecord {
    /// The record of a grant.
    #[must_use]
    pub fn new(grant: Grant, unit: UnitKind, units_public: i64) -> Self {
        Self { version: RECORD_VERSION, grant, unit, units_public }
    }
}

/// The details of a reservation: all that is needed to compute its price again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservationRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The (epsilon, delta) that the job alone was planned for. Not what the ledger counts.
    pub planned: Grant,
    /// The mechanisms.
    pub work: Work,
    /// Facts about the mechanisms that the accounting rests on: clipping norm, normaliser, sampler,
    /// noise, what is released.
    pub facts: Value,
    /// The rule and what it gave.
    pub price: Price,
    /// Charged before.
    pub spent_before: Amount,
    /// Held before.
    pub reserved_before: Amount,
    /// The cap before.
    pub cap_before: Amount,
}
