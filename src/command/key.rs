//! `dp2stage key`.

use dp2stage::store::Role;
use dp2stage::{http, store};

use super::service::Database;
use crate::config::Config;

/// Makes a key and prints it.
pub async fn create(config: Config, role: Role, tenant: Option<String>) -> anyhow::Result<()> {
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let mut key = http::issue(role)?;
    key.stored.tenant = tenant.unwrap_or(key.stored.tenant);
    store::insert_key(&database.pool, &key.stored).await?;
    println!("{}", key.token);
    database.close().await
}
