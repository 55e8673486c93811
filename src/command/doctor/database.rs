//! The database: named, or private to this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dp2stage::store::embedded::{Binaries, Places, running};
use dp2stage::store::{self, DatabaseFacts};
use sqlx::PgPool;

use super::finding::Finding;
use crate::config::Config;

/// A database that does not answer for this long is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clocks that are further apart than this are told of; leases and limits go by the database's.
const APART: f64 = 2.0;

/// A database that answers.
pub struct Reached {
    /// Connections.
    pub pool: PgPool,
    facts: DatabaseFacts,
}

impl Reached {
    /// The storage keys that it knows.
    pub fn storage_keys(&self) -> &[String] {
        &self.facts.storage_keys
    }

    /// Whether its schema is this program's.
    pub fn is_ready(&self) -> bool {
        self.facts.applied == self.facts.known
    }

    /// Closes the connections.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

/// What there is to say of the database, and the way to it if it answers.
pub async fn database(config: &Config) -> (Vec<Finding>, Option<Reached>) {
    let options = match &config.database.url {
        Some(url) => match url.parse() {
            Ok(options) => options,
            Err(_) => {
                let fix = "DATABASE_URL is like postgres://user@host:5432/dp2stage";
                return (vec![Finding::bad("database", "its address cannot be read", fix)], None);
            }
        },
        None => match private(config) {
            Ok(options) => options,
            Err(finding) => return (vec![finding], None),
        },
    };
    let pool = store::connect(options, 2);
    match store::within(PATIENCE, store::database_facts(&pool)).await {
        Ok(facts) => {
            let found = findings(&facts);
            (found, Some(Reached { pool, facts }))
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            let fix = "see that PostgreSQL runs there, that its host, port, user and password are right, and that it lets this machine in";
            (vec![Finding::bad("database", format!("{error}: {cause}"), fix)], None)
        }
    }
}

/// The way to the private cluster, or what stands in it.
fn private(config: &Config) -> Result<sqlx::postgres::PgConnectOptions, Finding> {
    let folder = config.state_dir().map_err(|error| {
        Finding::bad(
            "database",
            format!("{error:#}"),
            "name the state folder with --state-dir, or a database with DATABASE_URL",
        )
    })?;
    if let Some(options) = running(&folder) {
        return Ok(options);
    }
    match Binaries::find(&Places::of_this_machine(config.database.bin_dir.as_deref()), None) {
        Ok(found) => Err(Finding::ok(
            "database",
            format!(
                "a private PostgreSQL {} of {}, which starts and stops with the server (not running now)",
                found.major(),
                found.dir().display()
            ),
        )),
        Err(error) => Err(Finding::bad(
            "database",
            error,
            "install PostgreSQL's server (Debian: apt-get install postgresql), or name a database with DATABASE_URL",
        )),
    }
}

fn findings(facts: &DatabaseFacts) -> Vec<Finding> {
    let DatabaseFacts { version, applied, known, .. } = facts;
    let mut found = vec![Finding::ok("database", format!("PostgreSQL {version} answers"))];
    found.push(match facts {
        _ if facts.too_new => Finding::bad(
            "schema",
            format!("{applied} migrations were applied by a newer version than this one, which knows {known}"),
            "install the newer version",
        ),
        _ if applied == known => Finding::ok("schema", format!("all {known} migrations are applied")),
        _ if applied > known => Finding::warning(
            "schema",
            format!("a newer version has applied {applied} migrations; this one knows {known} and can work with it"),
            "install the newer version when you can",
        ),
        _ => Finding::warning(
            "schema",
            format!("{applied} of {known} migrations are applied"),
            "the next `dp2stage serve`, or `dp2stage migrate`, applies the others; back up first",
        ),
    });
    if *applied >= 14 && !facts.may_serve {
        found.push(Finding::bad(
            "roles",
            "this login may not act as dp2stage_tenant, as which requests are served",
            "as its superuser: grant dp2stage_tenant to LOGIN",
        ));
    }
    let here = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let apart = here - facts.clock;
    if apart.abs() > APART {
        let says = format!(
            "this machine's clock is {:.0} s {} the database's",
            apart.abs(),
            if apart > 0.0 { "before" } else { "behind" }
        );
        found.push(Finding::warning("clock", says, "keep both with chrony or systemd-timesyncd"));
    }
    found
}
