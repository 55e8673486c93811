//! The keys of blobs, wrapped, and which storage keys wrap them. Rows of `blob_keys` go with what named the blob: triggers
//! see to that.

use std::io::ErrorKind;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::error::StoreError;
use super::sealed::{Blob, KeySource, Keyring, KeyringError, Secret, unwrap, wrap};

/// Keys that are wrapped anew at a time.
const LOT: i64 = 500;

/// Keeps the key of a blob that a row of this dataset names from this transaction on.
pub(super) async fn keep_key(tx: &mut PgConnection, dataset: Uuid, blob: &Blob) -> Result<(), StoreError> {
    let Some(key) = &blob.key else { return Ok(()) };
    sqlx::query!(
        "insert into blob_keys (blob, dataset_id, storage_key, wrapped) values ($1, $2, $3, $4)",
        blob.name,
        dataset,
        key.storage_key,
        key.bytes,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The storage keys of this installation. Where it has none yet and `may_make` says so, a file with one is made.
///
/// # Errors
/// [`StoreError::Keys`] when there is no key, or another one than blobs are sealed under.
pub async fn keyring(pool: &PgPool, source: &KeySource, may_make: bool) -> Result<Keyring, StoreError> {
    let mut tx = pool.begin().await?;
    // One first start at a time: of two servers with keys of their own one is told so.
    sqlx::query!("lock table storage_keys in share row exclusive mode").execute(&mut *tx).await?;
    let known = sqlx::query!(
        r#"select id, exists (select from blob_keys where storage_key = id) as "used!" from storage_keys order by since, id"#,
    )
    .fetch_all(&mut *tx)
    .await?;
    let made = if may_make && known.is_empty() { Keyring::of_or_new(source) } else { Keyring::of(source) };
    let absent = matches!(&made, Err(KeyringError::Io(_, error)) if error.kind() == ErrorKind::NotFound);
    let names = made.as_ref().map(Keyring::names).unwrap_or_default();
    let strange = (absent || made.is_ok()) && !known.iter().any(|key| names.contains(&key.id));
    if strange && !known.is_empty() {
        let known: Vec<_> = known.into_iter().map(|key| key.id).collect();
        let at = match source {
            KeySource::File(path) => format!("in {}", path.display()),
            KeySource::Text(_) => "in storage.key".to_owned(),
        };
        return Err(KeyringError::Foreign { known: known.join(", "), at }.into());
    }
    let keys = made?;
    if let Some(missing) = known.into_iter().find(|key| key.used && !names.contains(&key.id)) {
        return Err(KeyringError::Missing(missing.id).into());
    }
    register(&mut tx, &keys.newest()).await?;
    tx.commit().await?;
    Ok(keys)
}

/// Has the database know a storage key: keys of blobs under one that it does not know are refused.
async fn register(tx: &mut PgConnection, key: &Secret) -> Result<(), StoreError> {
    sqlx::query!("insert into storage_keys (id) values ($1) on conflict do nothing", key.name()).execute(tx).await?;
    Ok(())
}

/// Makes a new storage key in the file; [`rewrap`] is for the caller. Returns its name.
///
/// # Errors
/// [`StoreError::Keys`], [`StoreError::Unavailable`].
pub async fn add_storage_key(pool: &PgPool, keys: &Keyring) -> Result<String, StoreError> {
    let (key, mut connection) = (Secret::random()?, pool.acquire().await?);
    let name = key.name();
    // Known before it is used: servers find the file changed, and wrap with the new key from then on.
    register(&mut connection, &key).await?;
    keys.add(key)?;
    Ok(name)
}

/// Wraps the keys of all blobs under the newest storage key. Returns how many were under others.
///
/// # Errors
/// [`StoreError::Blob`] for a key that cannot be unwrapped; what was wrapped before stays so.
pub async fn rewrap(pool: &PgPool, keys: &Keyring) -> Result<u64, StoreError> {
    let newest = keys.newest().name();
    register(&mut *pool.acquire().await?, &keys.newest()).await?;
    let mut done = 0;
    loop {
        let mut tx = pool.begin().await?;
        let lot = sqlx::query!(
            "select blob, dataset_id, storage_key, wrapped from blob_keys where storage_key <> $1
             order by blob limit $2 for update",
            newest,
            LOT,
        )
        .fetch_all(&mut *tx)
        .await?;
        if lot.is_empty() {
            return Ok(done);
        }
        let (mut names, mut wrapped) = (Vec::new(), Vec::new());
        for row in lot {
            let old = Blob::of(row.dataset_id, row.blob, (Some(row.storage_key), Some(row.wrapped)));
            let Some(key) = &old.key else { continue };
            let about = (old.owner, old.name.as_str());
            let new = wrap(keys, &unwrap(keys, key, about)?, about)?;
            if new.storage_key != newest {
                return Err(StoreError::Stale);
            }
            wrapped.push(new.bytes);
            names.push(old.name);
        }
        done += sqlx::query!(
            "update blob_keys k set storage_key = $1, wrapped = lot.wrapped
             from unnest($2::text[], $3::bytea[]) as lot (blob, wrapped) where k.blob = lot.blob",
            newest,
            &names[..],
            &wrapped[..],
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
    }
}

/// Drops the storage keys but the newest, once nothing is wrapped under them. Returns the names of those that the database
/// knew.
///
/// # Errors
/// [`KeyringError::InUse`] while jobs run that began before the newest key; as [`rewrap`].
pub async fn drop_storage_keys(pool: &PgPool, keys: &Keyring) -> Result<Vec<String>, StoreError> {
    rewrap(pool, keys).await?;
    let newest = keys.newest().name();
    let before = sqlx::query_scalar!(
        r#"select count(*) as "n!" from jobs
           where status = 'running' and started_at <= (select since from storage_keys where id = $1)"#,
        newest,
    );
    let before = before.fetch_one(pool).await?;
    if before > 0 {
        return Err(KeyringError::InUse(before).into());
    }
    // A key that somebody wrapped under one of them in this moment keeps it: the statement fails.
    let dropped = sqlx::query_scalar!("delete from storage_keys where id <> $1 returning id", newest);
    let dropped = dropped.fetch_all(pool).await?;
    match keys.drop_old() {
        // Whoever wrote them into the settings takes them out there.
        Err(KeyringError::Fixed) => {}
        other => other?,
    }
    Ok(dropped)
}
