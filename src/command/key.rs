//! `dp2stage key`.

use dp2stage::store::Role;
use dp2stage::{http, store};

use super::service::Database;
use crate::config::Config;

/// Makes a key and prints it.
pub async fn create(config: Config, role: Role) -> anyhow::Result<()> {
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let key = http::issue(role)?;
    store::insert_key(&database.pool, &key.stored).await?;
    println!("{}", key.token);
    database.close().await
}
