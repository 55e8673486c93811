//! Budgets and the entries of the ledger.

use serde_json::Value;
use sqlx::{PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::StoreError;
use crate::privacy::{Account, Amount};

/// A budget with everything that was written about it.
#[derive(Clone, Debug)]
pub struct Budget {
    /// The totals.
    pub account: Account,
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
}

/// One line of the ledger.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The job, unless it is a grant.
    pub job_id: Option<Uuid>,
    /// What happened.
    pub kind: EntryKind,
    /// How much.
    pub amount: Amount,
    /// The mechanism, on charges.
    pub event: Option<Value>,
    /// When.
    pub at: OffsetDateTime,
    /// The state of the job, unless it is a grant.
    pub job_status: Option<String>,
}

/// What a line of the ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// The custodian allowed it.
    Grant,
    /// An admitted job holds it.
    Reservation,
    /// Irrevocable, written before the first noise was drawn.
    Charge,
    /// A reservation handed back untouched.
    Release,
}

struct Totals {
    granted_epsilon_pico: i64,
    granted_delta_atto: i64,
    spent_epsilon_pico: i64,
    spent_delta_atto: i64,
    reserved_epsilon_pico: i64,
    reserved_delta_atto: i64,
}

impl From<Totals> for Account {
    fn from(t: Totals) -> Self {
        let amount = |epsilon_pico, delta_atto| Amount { epsilon_pico, delta_atto };
        Self {
            granted: amount(t.granted_epsilon_pico, t.granted_delta_atto),
            spent: amount(t.spent_epsilon_pico, t.spent_delta_atto),
            reserved: amount(t.reserved_epsilon_pico, t.reserved_delta_atto),
        }
    }
}

/// A budget as it stands, read in one snapshot.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn budget(pool: &PgPool, population: Uuid) -> Result<Budget, StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read read only").execute(&mut *tx).await?;
    let account = account(&mut *tx, population).await?;
    let entries = sqlx::query!(
        r#"select l.job_id, l.kind as "kind: EntryKind", l.epsilon_pico, l.delta_atto, l.event, l.at,
                  j.status as "status?"
           from ledger_entries l left join jobs j on j.id = l.job_id
           where l.population_id = $1 order by l.id"#,
        population,
    )
    .fetch_all(&mut *tx)
    .await?
    .into_iter()
    .map(|e| Entry {
        job_id: e.job_id,
        kind: e.kind,
        amount: Amount { epsilon_pico: e.epsilon_pico, delta_atto: e.delta_atto },
        event: e.event,
        at: e.at,
        job_status: e.status,
    })
    .collect();
    tx.commit().await?;
    Ok(Budget { account, entries })
}

/// The totals of a budget alone.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn account(connection: impl PgExecutor<'_>, population: Uuid) -> Result<Account, StoreError> {
    Ok(sqlx::query_as!(
        Totals,
        "select granted_epsilon_pico, granted_delta_atto, spent_epsilon_pico, spent_delta_atto,
                reserved_epsilon_pico, reserved_delta_atto
         from populations where id = $1",
        population,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(StoreError::NotFound("budget"))?
    .into())
}

/// Raises a grant to `grant`, in both coordinates at least what it was.
///
/// # Errors
/// [`StoreError::GrantLowered`], [`StoreError::NotFound`].
pub async fn raise(pool: &PgPool, population: Uuid, grant: Amount) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let granted = lock(&mut tx, population).await?.granted;
    if grant.epsilon_pico < granted.epsilon_pico || grant.delta_atto < granted.delta_atto {
        return Err(StoreError::GrantLowered);
    }
    sqlx::query!(
        "update populations set granted_epsilon_pico = $2, granted_delta_atto = $3 where id = $1",
        population,
        grant.epsilon_pico,
        grant.delta_atto,
    )
    .execute(&mut *tx)
    .await?;
    // The entry says by how much, so that the totals stay the fold of the entries.
    sqlx::query!(
        "insert into ledger_entries (population_id, kind, epsilon_pico, delta_atto) values ($1, 'grant', $2, $3)",
        population,
        grant.epsilon_pico - granted.epsilon_pico,
        grant.delta_atto - granted.delta_atto,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Locks a population's row until the transaction ends and returns its totals.
pub(super) async fn lock(tx: &mut PgConnection, population: Uuid) -> Result<Account, StoreError> {
    Ok(sqlx::query_as!(
        Totals,
        "select granted_epsilon_pico, granted_delta_atto, spent_epsilon_pico, spent_delta_atto,
                reserved_epsilon_pico, reserved_delta_atto
         from populations where id = $1 for update",
        population,
    )
    .fetch_optional(tx)
    .await?
    .ok_or(StoreError::NotFound("budget"))?
    .into())
}

/// What moves on a ledger when a job goes on.
#[derive(Clone, Copy)]
pub(super) enum Move {
    Reserve,
    Charge,
    Release,
}

/// Writes one move of one job: the entry and the totals. The population must be locked.
pub(super) async fn post(
    tx: &mut PgConnection,
    population: Uuid,
    job: Uuid,
    amount: Amount,
    (what, event): (Move, Option<&Value>),
) -> Result<(), StoreError> {
    let (kind, spent, reserved) = match what {
        Move::Reserve => ("reservation", 0, 1),
        Move::Charge => ("charge", 1, -1),
        Move::Release => ("release", 0, -1),
    };
    sqlx::query!(
        "insert into ledger_entries (population_id, job_id, kind, epsilon_pico, delta_atto, event)
         values ($1, $2, $3, $4, $5, $6)",
        population,
        job,
        kind,
        amount.epsilon_pico,
        amount.delta_atto,
        event,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update populations set
             spent_epsilon_pico = spent_epsilon_pico + $2, spent_delta_atto = spent_delta_atto + $3,
             reserved_epsilon_pico = reserved_epsilon_pico + $4, reserved_delta_atto = reserved_delta_atto + $5
         where id = $1",
        population,
        spent * amount.epsilon_pico,
        spent * amount.delta_atto,
        reserved * amount.epsilon_pico,
        reserved * amount.delta_atto,
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}
