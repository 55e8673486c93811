//! Declared tables.

use std::num::NonZeroU32;

use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::budgets::{NewBudget, open};
use super::error::StoreError;
use super::populations::standing;
use super::retention::Keep;
use super::scope::Scope;
use crate::privacy::UnitKind;
use crate::tabular::{Declaration, Schema};

/// Persons as units of privacy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonColumn {
    /// The column of uploads that says whose row it is.
    pub name: String,
    /// Rows that count of one person.
    pub max_rows: NonZeroU32,
    /// The declared number of persons.
    pub persons_public: i64,
}

/// A declared table: public facts only.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique in its tenant.
    pub name: String,
    /// Whose budget its jobs spend.
    pub population_id: Uuid,
    /// The declaration in canonical form.
    pub schema: Value,
    /// Whether its rows are declared public.
    pub public: bool,
    /// The declared number of rows.
    pub rows_public: i64,
    /// The column that says whose row it is, where persons are the unit of privacy; see [`Dataset::persons`].
    pub person_column: Option<String>,
    /// Rows that count of one person.
    pub person_max_rows: Option<i32>,
    /// The declared number of persons.
    pub persons_public: Option<i64>,
    /// The share of units that training never sees.
    pub holdout: f64,
    /// Days for which an upload is kept, as the custodian chose; see [`Dataset::keep`].
    pub keep_rows_days: Option<i32>,
    /// The same for what jobs left.
    pub keep_results_days: Option<i32>,
    /// When it was declared.
    pub created_at: OffsetDateTime,
}

impl Dataset {
    /// Persons, where they are the unit of privacy.
    #[must_use]
    pub fn persons(&self) -> Option<PersonColumn> {
        let (name, max_rows) = (self.person_column.clone()?, NonZeroU32::new(self.person_max_rows? as u32)?);
        Some(PersonColumn { name, max_rows, persons_public: self.persons_public? })
    }

    /// The declared columns.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when another version stored something this one does not know.
    pub fn declared(&self) -> Result<Schema, StoreError> {
        let declaration = Declaration::from_json(&self.schema).map_err(|_| StoreError::Unreadable("a schema"))?;
        Ok(declaration.schema)
    }
}

/// Which budget a dataset's jobs spend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowance {
    /// One that is granted with the dataset. Where a deleted dataset had the same name, that one's
    /// budget goes on, and must be the same: names stay bound to their people.
    Granted(NewBudget),
    /// That of a population that is there already, whose unit must be this.
    Shared(Uuid, UnitKind),
}

/// What a custodian declares.
#[derive(Clone, Debug)]
pub struct NewDataset {
    /// Unique in its tenant.
    pub name: String,
    /// The declaration in canonical form.
    pub schema: Value,
    /// Whether its rows are declared public.
    pub public: bool,
    /// The declared number of rows.
    pub rows_public: i64,
    /// Persons, where they are the unit of privacy.
    pub persons: Option<PersonColumn>,
    /// The share of units that training never sees.
    pub holdout: f64,
    /// For how long its things are kept.
    pub keep: Keep,
    /// The budget.
    pub allowance: Allowance,
}

/// Stores a declaration, and its budget if that is new.
///
/// # Errors
/// [`StoreError::NameTaken`], [`StoreError::NotFound`], [`StoreError::PopulationMismatch`].
pub async fn create_dataset(scope: &impl Scope, new: &NewDataset) -> Result<Dataset, StoreError> {
    let mut tx = scope.begin().await?;
    if new.public {
        check_name(&mut tx, &new.name).await?;
    }
    let (population, keep) = (population_for(&mut tx, new).await?, new.keep.columns());
    let dataset = sqlx::query_as!(
        Dataset,
        "insert into datasets (id, name, population_id, schema, public, rows_public, person_column, person_max_rows,
                               persons_public, holdout, keep_rows_days, keep_results_days)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         returning id, name, population_id, schema, public, rows_public, person_column, person_max_rows,
                   persons_public, holdout, keep_rows_days, keep_results_days, created_at",
        Uuid::now_v7(),
        new.name,
        population,
        new.schema,
        new.public,
        new.rows_public,
        new.persons.as_ref().map(|persons| &persons.name),
        new.persons.as_ref().map(|persons| persons.max_rows.get() as i32),
        new.persons.as_ref().map(|persons| persons.persons_public),
        new.holdout,
        keep.0,
        keep.1,
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

/// The name of rows that were private stays with private rows.
async fn check_name(tx: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    let private = sqlx::query_scalar!(
        r#"select exists (select from datasets where name = $1 and not public and deleted_at is not null) as "any!""#,
        name,
    );
    match private.fetch_one(tx).await? {
        true => Err(StoreError::PopulationMismatch(
            "a deleted dataset had this name and was private: a public one needs another name".to_owned(),
        )),
        false => Ok(()),
    }
}

async fn population_for(tx: &mut PgConnection, new: &NewDataset) -> Result<Uuid, StoreError> {
    let earlier = sqlx::query_scalar!(
        "select population_id from datasets where name = $1 and deleted_at is not null order by id limit 1",
        new.name,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let mismatch = |what: String| Err(StoreError::PopulationMismatch(what));
    let (id, unit) = match (new.allowance, earlier) {
        (Allowance::Granted(budget), None) => return open(tx, &budget).await,
        (Allowance::Granted(budget), Some(earlier)) => {
            let grant = standing(&mut *tx, earlier).await?.account.grant;
            if grant != budget.grant {
                return mismatch(format!(
                    "a deleted dataset had this name; its budget goes on as population {earlier} with epsilon {} and \
                     delta {}: declare the same budget, or leave `budget` out and name the `population`",
                    grant.epsilon, grant.delta,
                ));
            }
            (earlier, budget.unit)
        }
        (Allowance::Shared(shared, unit), earlier) => {
            if let Some(earlier) = earlier.filter(|earlier| *earlier != shared) {
                return mismatch(format!("a deleted dataset had this name and belongs to population {earlier}"));
            }
            (shared, unit)
        }
    };
    let kept = standing(tx, id).await?.unit;
    if kept != unit {
        return mismatch(format!("the unit of privacy of population {id} is the {}", kept.word()));
    }
    Ok(id)
}

/// The dataset with this id or name.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn find_dataset(scope: &impl Scope, id_or_name: &str) -> Result<Dataset, StoreError> {
    // No text of PostgreSQL holds a NUL; asking for one would be an error of the statement.
    if id_or_name.contains('\0') {
        return Err(StoreError::NotFound("dataset"));
    }
    let id = Uuid::try_parse(id_or_name).ok();
    // A name that looks like an id must not hide the dataset that has the id.
    sqlx::query_as!(
        Dataset,
        "select id, name, population_id, schema, public, rows_public, person_column, person_max_rows, persons_public,
                holdout, keep_rows_days, keep_results_days, created_at
         from datasets
         where (id = $1 or name = $2) and deleted_at is null order by id = $1 desc nulls last limit 1",
        id,
        id_or_name,
    )
    .fetch_optional(&mut *scope.begin().await?)
    .await?
    .ok_or(StoreError::NotFound("dataset"))
}

/// The dataset of a job, deleted or not: what jobs made of it stays.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn dataset_of_job(scope: &impl Scope, job: Uuid) -> Result<Dataset, StoreError> {
    sqlx::query_as!(
        Dataset,
        "select d.id, d.name, d.population_id, d.schema, d.public, d.rows_public, d.person_column, d.person_max_rows,
                d.persons_public, d.holdout, d.keep_rows_days, d.keep_results_days, d.created_at
         from datasets d join jobs j on j.dataset_id = d.id where j.id = $1",
        job,
    )
    .fetch_optional(&mut *scope.begin().await?)
    .await?
    .ok_or(StoreError::NotFound("job"))
}

/// Datasets in the order of their declaration, at most `limit` after the id `after`.
///
/// # Errors
/// Database faults only.
pub async fn list_datasets(scope: &impl Scope, after: Option<Uuid>, limit: i64) -> Result<Vec<Dataset>, StoreError> {
    Ok(sqlx::query_as!(
        Dataset,
        "select id, name, population_id, schema, public, rows_public, person_column, person_max_rows, persons_public,
                holdout, keep_rows_days, keep_results_days, created_at
         from datasets
         where ($1::uuid is null or id > $1) and deleted_at is null order by id limit $2",
        after,
        limit,
    )
    .fetch_all(&mut *scope.begin().await?)
    .await?)
}
