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

/// Makes a new key for certificates and prints its public part.
pub async fn rotate_certificate(config: Config) -> anyhow::Result<()> {
    let path = config.certificate_key()?;
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let old = store::signing_key(&path)?.public();
    let new = store::renew_signing_key(&path)?.public();
    // A crash between the two leaves the old key without a date of its end, and the new one to the next start.
    store::add_signer(&database.pool, &new).await?;
    store::retire_signer(&database.pool, &old).await?;
    println!("certificates are signed with {} from the next start of the servers; {} is retired", new.id(), old.id());
    print!("{}", new.to_pem());
    database.close().await
}
