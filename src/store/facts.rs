//! What a database says of itself, for whoever looks after it. Changes nothing.

use sqlx::PgPool;

use super::error::StoreError;

/// A database as it is found.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseFacts {
    /// PostgreSQL's version.
    pub version: String,
    /// Migrations that were applied; 0 for an empty database.
    pub applied: usize,
    /// Migrations that this program knows.
    pub known: usize,
    /// Whether they ask for a newer program than this one.
    pub too_new: bool,
    /// Whether this login may act as the role that requests are served as.
    pub may_serve: bool,
    /// Names of the storage keys that blobs are, or were, sealed under.
    pub storage_keys: Vec<String>,
    /// Its clock, in seconds since 1970.
    pub clock: f64,
}

/// Asks a database, whatever its schema is.
///
/// # Errors
/// Database faults only.
pub async fn database_facts(pool: &PgPool) -> Result<DatabaseFacts, StoreError> {
    let known = sqlx::migrate!("./migrations").iter().count();
    let (version, clock): (String, f64) =
        sqlx::query_as("select current_setting('server_version'), extract(epoch from clock_timestamp())::float8")
            .fetch_one(pool)
            .await?;
    let there: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(pool).await?;
    let empty =
        DatabaseFacts { version, applied: 0, known, too_new: false, may_serve: false, storage_keys: Vec::new(), clock };
    if !there {
        return Ok(empty);
    }
    let applied: i64 =
        sqlx::query_scalar("select count(*) from _sqlx_migrations where success").fetch_one(pool).await?;
    let newest: bool = sqlx::query_scalar("select to_regclass('compatibility') is not null").fetch_one(pool).await?;
    let needed: i32 = match newest {
        true => sqlx::query_scalar("select migrations_needed from compatibility").fetch_one(pool).await?,
        false => 0,
    };
    let may_serve: bool = sqlx::query_scalar(
        "select coalesce((select pg_has_role(current_user, oid, 'member') from pg_roles where rolname = 'dp2stage_tenant'), false)",
    )
    .fetch_one(pool)
    .await?;
    let sealed: bool = sqlx::query_scalar("select to_regclass('storage_keys') is not null").fetch_one(pool).await?;
    let storage_keys = match sealed {
        true => sqlx::query_scalar("select id from storage_keys order by since, id").fetch_all(pool).await?,
        false => Vec::new(),
    };
    let too_new = needed as usize > known;
    Ok(DatabaseFacts { applied: applied as usize, too_new, may_serve, storage_keys, ..empty })
}
