//! `dp2stage key`.

use dp2stage::store::{KeySource, Role};
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

/// Makes a new storage key, unless `rewrap` says that it is there already, and wraps the keys of all blobs under it.
pub async fn rotate_storage(config: Config, rewrap: bool) -> anyhow::Result<()> {
    let source = config.storage_keys()?;
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let keys = store::keyring(&database.pool, &source, true).await?;
    if !rewrap {
        store::add_storage_key(&database.pool, &keys).await?;
    }
    let wrapped = store::rewrap(&database.pool, &keys).await?;
    println!("{wrapped} keys of blobs were wrapped anew, under the storage key {}", keys.newest().name());
    if let KeySource::File(path) = source {
        println!("it is the first in {}: keep a copy, and give workers on other machines the file", path.display());
    }
    println!(
        "the others still open what was wrapped under them before; `dp2stage key drop-storage` is the end of them"
    );
    database.close().await
}

/// Drops all storage keys but the newest.
pub async fn drop_storage(config: Config) -> anyhow::Result<()> {
    let source = config.storage_keys()?;
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let keys = store::keyring(&database.pool, &source, false).await?;
    let dropped = store::drop_storage_keys(&database.pool, &keys).await?;
    match (dropped.as_slice(), source) {
        ([], _) => println!("there is no storage key but the newest"),
        (_, KeySource::File(path)) => println!("dropped, and gone from {}: {}", path.display(), dropped.join(", ")),
        (_, KeySource::Text(_)) => println!("dropped; take them out of storage.key as well: {}", dropped.join(", ")),
    }
    println!("what was deleted before cannot be opened any more, with an old backup of the database either");
    database.close().await
}
