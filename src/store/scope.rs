//! Whose rows a statement sees: everybody's, for the operator and the workers, or one tenant's.
//!
//! What a tenant sees is decided by PostgreSQL, not by the statements: row-level security of the role
//! `dp2stage_tenant` (`migrations/0014_tenants.sql`). A statement that forgets to ask for the tenant finds nothing of others.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

/// Who asks. Everything is asked in a transaction; one that is dropped has read only.
pub trait Scope: Sync {
    /// Begins a transaction that sees what may be seen.
    fn begin(&self) -> impl Future<Output = Result<Transaction<'static, Postgres>, sqlx::Error>> + Send;
}

/// The operator, and workers: all tenants.
impl Scope for PgPool {
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        Self::begin(self).await
    }
}

/// One tenant: what is not its own is not there. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tenant {
    pool: PgPool,
    opening: Arc<str>,
}

impl Tenant {
    /// The tenant of this name. One that nobody knows has nothing yet.
    #[must_use]
    pub fn new(pool: &PgPool, name: &str) -> Self {
        // With the transaction the role and the name end: no connection goes back to the pool with them. They come in the
        // message that begins it, for which PostgreSQL takes no parameters.
        let name = name.replace('\'', "''");
        let opening = format!("begin; set local role dp2stage_tenant; set local dp2stage.tenant = '{name}'");
        Self { pool: pool.clone(), opening: opening.into() }
    }
}

impl Scope for Tenant {
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(AssertSqlSafe(self.opening.clone())).await
    }
}
