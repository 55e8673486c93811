//! Declared tables.

use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::StoreError;
use crate::privacy::Amount;
use crate::tabular::{Declaration, Schema};

/// A declared table: public facts only.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// Whose budget its jobs spend.
    pub population_id: Uuid,
    /// The declaration in canonical form.
    pub schema: Value,
    /// The declared number of rows.
    pub rows_public: i64,
    /// The share of rows that training never sees.
    pub holdout: f64,
    /// When it was declared.
    pub created_at: OffsetDateTime,
}

impl Dataset {
    /// The declared columns.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when another version stored something this one does not know.
    pub fn declared(&self) -> Result<Schema, StoreError> {
        let declaration = Declaration::from_json(&self.schema).map_err(|_| StoreError::Unreadable("a schema"))?;
        Ok(declaration.schema)
    }
}

/// What a custodian declares and grants.
#[derive(Clone, Debug)]
pub struct NewDataset {
    /// Unique.
    pub name: String,
    /// The declaration in canonical form.
    pub schema: Value,
    /// The declared number of rows.
    pub rows_public: i64,
    /// The share of rows that training never sees.
    pub holdout: f64,
    /// The budget.
    pub grant: Amount,
}

/// Stores a declaration and its budget.
///
/// # Errors
/// [`StoreError::NameTaken`].
pub async fn create_dataset(pool: &PgPool, new: &NewDataset) -> Result<Dataset, StoreError> {
    let (population, id) = (Uuid::now_v7(), Uuid::now_v7());
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "insert into populations (id, rows_public, granted_epsilon_pico, granted_delta_atto) values ($1, $2, $3, $4)",
        population,
        new.rows_public,
        new.grant.epsilon_pico,
        new.grant.delta_atto,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into ledger_entries (population_id, kind, epsilon_pico, delta_atto) values ($1, 'grant', $2, $3)",
        population,
        new.grant.epsilon_pico,
        new.grant.delta_atto,
    )
    .execute(&mut *tx)
    .await?;
    let dataset = sqlx::query_as!(
        Dataset,
        "insert into datasets (id, name, population_id, schema, rows_public, holdout)
         values ($1, $2, $3, $4, $5, $6) returning *",
        id,
        new.name,
        population,
        new.schema,
        new.rows_public,
        new.holdout,
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(|e| match StoreError::constraint(&e) {
        Some("datasets_name_unique") => StoreError::NameTaken,
        _ => e.into(),
    })?;
    tx.commit().await?;
    Ok(dataset)
}

/// The dataset with this id or name.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn find_dataset(pool: &PgPool, id_or_name: &str) -> Result<Dataset, StoreError> {
    // No text of PostgreSQL holds a NUL; asking for one would be an error of the statement.
    if id_or_name.contains('\0') {
        return Err(StoreError::NotFound("dataset"));
    }
    let id = Uuid::try_parse(id_or_name).ok();
    // A name that looks like an id must not hide the dataset that has the id.
    sqlx::query_as!(
        Dataset,
        "select * from datasets where id = $1 or name = $2 order by id = $1 desc nulls last limit 1",
        id,
        id_or_name,
    )
    .fetch_optional(pool)
    .await?
    .ok_or(StoreError::NotFound("dataset"))
}

/// Datasets in the order of their declaration, at most `limit` after the id `after`.
///
/// # Errors
/// Database faults only.
pub async fn list_datasets(pool: &PgPool, after: Option<Uuid>, limit: i64) -> Result<Vec<Dataset>, StoreError> {
    Ok(sqlx::query_as!(
        Dataset,
        "select * from datasets where $1::uuid is null or id > $1 order by id limit $2",
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}
