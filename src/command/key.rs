//! `dp2stage key`.

use dp2stage::store::{AuditCompletion, AuditLine, AuditOpening, Key, KeySource, Role, StoreError};
use dp2stage::{http, store};
use sqlx::PgPool;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::service::Database;
use crate::config::Config;

/// Keys that are read from the database at a time.
const PIECE: i64 = 200;

/// A key to be made.
#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// What it may do: analyst (jobs, released view), custodian (uploads, budgets, exact figures) or admin.
    #[arg(long, default_value = "admin", value_parser = role)]
    role: Role,
    /// On whose behalf it calls. A key sees and changes what is its tenant's; tenants take turns in the queue.
    /// `default` unless given.
    #[arg(long, value_parser = tenant)]
    tenant: Option<String>,
    /// What it is for.
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// Days after which it opens nothing any more; never unless given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
}

fn role(word: &str) -> Result<Role, String> {
    let known = Role::ALL.into_iter().find(|role| role.word() == word);
    known.ok_or_else(|| "one of analyst, custodian, admin".to_owned())
}

fn tenant(name: &str) -> Result<String, &'static str> {
    http::check_tenant(name).map(|()| name.to_owned())
}

fn name(name: &str) -> Result<String, &'static str> {
    http::check_name(name).map(|()| name.to_owned())
}

/// Makes a key and prints it.
pub async fn create(config: Config, wanted: Wanted) -> anyhow::Result<()> {
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let mut key = http::issue(wanted.role)?;
    key.stored.tenant = wanted.tenant.unwrap_or(key.stored.tenant);
    key.stored.name = wanted.name;
    key.stored.expires_at = wanted.days.map(|days| OffsetDateTime::now_utc() + time::Duration::days(days.into()));
    told(&database.pool, ("key create", &key.stored.id), store::insert_key(&database.pool, &key.stored)).await?;
    println!("{}", key.token);
    database.close().await
}

/// Prints all keys, without what is secret.
pub async fn list(config: Config) -> anyhow::Result<()> {
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    println!("{:12}  {:9}  {:10}  {:20}  {:20}  tenant, name", "id", "role", "state", "made", "last used");
    let mut after: Option<String> = None;
    loop {
        let keys = store::list_keys(&database.pool, after.as_deref(), PIECE).await?;
        keys.iter().for_each(say);
        match keys.last() {
            Some(last) => after = Some(last.id.clone()),
            None => return database.close().await,
        }
    }
}

fn say(key: &Key) {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (_, Some(end)) if end <= OffsetDateTime::now_utc() => "expired",
        _ => "good",
    };
    let at = |time: Option<OffsetDateTime>| {
        let second = time.and_then(|time| time.replace_nanosecond(0).ok());
        second.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| "never".to_owned())
    };
    let end =
        key.expires_at.filter(|_| state == "good").map_or_else(String::new, |end| format!(", until {}", at(Some(end))));
    let name = key.name.as_ref().map_or_else(String::new, |name| format!(", {name}"));
    let (made, used) = (at(Some(key.created_at)), at(key.used_at));
    println!("{:12}  {:9}  {state:10}  {made:20}  {used:20}  {}{name}{end}", key.id, key.role.word(), key.tenant);
}

/// Revokes a key.
pub async fn revoke(config: Config, id: &str, even_the_last: bool) -> anyhow::Result<()> {
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let revoked = told(&database.pool, ("key revoke", id), store::revoke_key(&database.pool, id, even_the_last)).await;
    database.close().await?;
    revoked?;
    println!("{id} is revoked: servers refuse it within a second");
    Ok(())
}

/// Does something that the audit log tells of, as it tells of requests: before, and how it ended.
pub async fn told<T>(
    pool: &PgPool,
    (command, object): (&str, &str),
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut connection = pool.acquire().await?;
    // Whatever was typed in the place of an id stays out of what is kept for ever.
    let objects = Some(object).filter(|id| http::is_id(id)).map(str::to_owned).into_iter().collect();
    let opening = AuditLine::Opened(AuditOpening::of_command(command, objects));
    let opened = store::append_audit(&mut connection, vec![opening]).await?;
    let done = work.await;
    // There is no answer with a status; a program that ended well or not has these.
    let status = Some(if done.is_ok() { 200 } else { 400 });
    let completions = opened.into_iter().map(|opened| AuditCompletion { opened, status, objects: Vec::new() });
    store::append_audit(&mut connection, completions.map(AuditLine::Completed).collect()).await?;
    done
}

/// Makes a new key for certificates and prints its public part.
pub async fn rotate_certificate(config: Config) -> anyhow::Result<()> {
    let path = config.certificate_key()?;
    let database = Database::open(&config).await?;
    store::migrate(&database.pool).await?;
    let old = store::signing_key(&path)?.public();
    let new = store::renew_signing_key(&path)?.public();
    // A crash between the two leaves the old key without a date of its end, and the new one to the next start.
    let renewed = async {
        store::add_signer(&database.pool, &new).await?;
        store::retire_signer(&database.pool, &old).await
    };
    told(&database.pool, ("key rotate-certificate", ""), renewed).await?;
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
