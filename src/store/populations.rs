//! Populations: the budgets, and the one function that writes on their ledgers.

use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use super::error::StoreError;
use super::scope::Scope;
use crate::privacy::{Account, Amount, Delta, Digest, Entry, EntryKind, Epsilon, Grant, UnitKind};

/// A budget as it stands, without its ledger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Population {
    /// UUIDv7.
    pub id: Uuid,
    /// What one unit of privacy is.
    pub unit: UnitKind,
    /// About how many units there are, as declared.
    pub units_public: i64,
    /// The totals.
    pub account: Account,
    /// Lines of the ledger.
    pub entries: i64,
    /// The digest of the last line.
    pub head: Digest,
}

struct Row {
    id: Uuid,
    unit: String,
    units_public: i64,
    epsilon: f64,
    delta: f64,
    cap_mu2_pico: i64,
    cap_leak_atto: i64,
    spent_mu2_pico: i64,
    spent_leak_atto: i64,
    reserved_mu2_pico: i64,
    reserved_leak_atto: i64,
    entries: i64,
    head: Vec<u8>,
}

impl TryFrom<Row> for Population {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let unreadable = StoreError::Unreadable("a budget");
        let amount = |mu2_pico, leak_atto| Amount { mu2_pico, leak_atto };
        let (Ok(epsilon), Ok(delta), Some(unit), Ok(head)) =
            (Epsilon::new(row.epsilon), Delta::new(row.delta), UnitKind::of_word(&row.unit), row.head.try_into())
        else {
            return Err(unreadable);
        };
        let account = Account {
            grant: Grant { epsilon, delta },
            cap: amount(row.cap_mu2_pico, row.cap_leak_atto),
            spent: amount(row.spent_mu2_pico, row.spent_leak_atto),
            reserved: amount(row.reserved_mu2_pico, row.reserved_leak_atto),
        };
        Ok(Self { id: row.id, unit, units_public: row.units_public, account, entries: row.entries, head })
    }
}

/// A population with this id.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn population(scope: &impl Scope, id: Uuid) -> Result<Population, StoreError> {
    standing(&mut *scope.begin().await?, id).await
}

/// How a population stands.
pub(super) async fn standing(connection: impl PgExecutor<'_>, id: Uuid) -> Result<Population, StoreError> {
    sqlx::query_as!(
        Row,
        "select id, unit, units_public, epsilon, delta, cap_mu2_pico, cap_leak_atto, spent_mu2_pico, spent_leak_atto,
                reserved_mu2_pico, reserved_leak_atto, entries, head
         from populations where id = $1",
        id,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(StoreError::NotFound("population"))?
    .try_into()
}

/// All populations, oldest first.
///
/// # Errors
/// Database faults only.
pub async fn populations(connection: impl PgExecutor<'_>) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!("select id from populations order by id").fetch_all(connection).await?)
}

/// All populations, and lines of their ledgers.
pub(super) async fn lengths(connection: impl PgExecutor<'_>) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let rows = sqlx::query!("select id, entries from populations order by id").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.entries)).collect())
}

/// Lines of a population's ledger.
pub(super) async fn length_of(connection: impl PgExecutor<'_>, id: Uuid) -> Result<i64, StoreError> {
    sqlx::query_scalar!("select entries from populations where id = $1", id)
        .fetch_optional(connection)
        .await?
        .ok_or(StoreError::NotFound("population"))
}

struct Written {
    seq: i64,
    job_id: Option<Uuid>,
    kind: String,
    block: i32,
    mu2_pico: i64,
    leak_atto: i64,
    at_micros: i64,
    record: String,
    digest: Vec<u8>,
}

impl TryFrom<Written> for Entry {
    type Error = StoreError;

    fn try_from(line: Written) -> Result<Self, StoreError> {
        let (Some(kind), Ok(digest)) = (EntryKind::of_word(&line.kind), line.digest.try_into()) else {
            return Err(StoreError::Unreadable("a ledger"));
        };
        Ok(Self {
            seq: line.seq,
            kind,
            job_id: line.job_id,
            block: line.block,
            amount: Amount { mu2_pico: line.mu2_pico, leak_atto: line.leak_atto },
            at_micros: line.at_micros,
            record: line.record,
            digest,
        })
    }
}

/// The lines of a ledger after this one, in their order.
pub(super) async fn entries_after(
    connection: impl PgExecutor<'_>,
    id: Uuid,
    seq: i64,
) -> Result<Vec<Entry>, StoreError> {
    let lines = sqlx::query_as!(
        Written,
        "select seq, job_id, kind, block, mu2_pico, leak_atto, at_micros, record, digest
         from ledger_entries where population_id = $1 and seq > $2 order by seq",
        id,
        seq,
    )
    .fetch_all(connection)
    .await?;
    lines.into_iter().map(Entry::try_from).collect()
}

/// One line of a ledger.
pub(super) async fn entry(pool: &PgPool, id: Uuid, seq: i64) -> Result<Option<Entry>, StoreError> {
    let line = sqlx::query_as!(
        Written,
        "select seq, job_id, kind, block, mu2_pico, leak_atto, at_micros, record, digest
         from ledger_entries where population_id = $1 and seq = $2",
        id,
        seq,
    )
    .fetch_optional(pool)
    .await?;
    line.map(Entry::try_from).transpose()
}

/// Locks a population's row until the transaction ends and returns how it stands.
pub(super) async fn lock(tx: &mut PgConnection, id: Uuid) -> Result<Population, StoreError> {
    sqlx::query_scalar!("select id from populations where id = $1 for update", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::NotFound("population"))?;
    standing(tx, id).await
}

/// What is to be written on a ledger.
pub(super) struct Line {
    pub kind: EntryKind,
    pub job_id: Option<Uuid>,
    /// The ordinal of a block that is charged by itself, else 0.
    pub block: i32,
    pub amount: Amount,
    pub record: String,
}

impl Line {
    /// A line about a job that needs no details.
    pub fn of_job(kind: EntryKind, job: Uuid, amount: Amount) -> Self {
        Self { kind, job_id: Some(job), block: 0, amount, record: "{}".to_owned() }
    }
}

/// Writes one line and the totals after it. The population must be locked by this transaction.
pub(super) async fn post(tx: &mut PgConnection, population: &mut Population, line: Line) -> Result<(), StoreError> {
    let at_micros =
        sqlx::query_scalar!(r#"select (extract(epoch from clock_timestamp()) * 1000000)::bigint as "micros!""#)
            .fetch_one(&mut *tx)
            .await?;
    let Line { kind, job_id, block, amount, record } = line;
    let seq = population.entries + 1;
    let mut entry = Entry { seq, kind, job_id, block, amount, at_micros, record, digest: population.head };
    entry.digest = entry.digest_after(&population.head, population.id);
    insert(tx, population.id, &entry).await?;
    let after = population.account.after(kind, amount).ok_or(StoreError::Unreadable("a ledger"))?;
    (population.account, population.entries, population.head) = (after, seq, entry.digest);
    update(tx, population).await
}

/// Writes a line as it is. The totals are another matter.
pub(super) async fn insert(tx: &mut PgConnection, population: Uuid, entry: &Entry) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into ledger_entries
             (population_id, seq, job_id, kind, block, mu2_pico, leak_atto, at_micros, record, digest)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        population,
        entry.seq,
        entry.job_id,
        entry.kind.word(),
        entry.block,
        entry.amount.mu2_pico,
        entry.amount.leak_atto,
        entry.at_micros,
        entry.record,
        entry.digest.as_slice(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes the totals as they are.
pub(super) async fn update(tx: &mut PgConnection, population: &Population) -> Result<(), StoreError> {
    let account = population.account;
    sqlx::query!(
        "update populations set epsilon = $2, cap_mu2_pico = $3, cap_leak_atto = $4, spent_mu2_pico = $5,
                spent_leak_atto = $6, reserved_mu2_pico = $7, reserved_leak_atto = $8, entries = $9, head = $10
         where id = $1",
        population.id,
        account.grant.epsilon.get(),
        account.cap.mu2_pico,
        account.cap.leak_atto,
        account.spent.mu2_pico,
        account.spent.leak_atto,
        account.reserved.mu2_pico,
        account.reserved.leak_atto,
        population.entries,
        population.head.as_slice(),
    )
    .execute(tx)
    .await?;
    Ok(())
}
