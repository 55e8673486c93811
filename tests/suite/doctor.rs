//! `dp2stage doctor`: what it finds, and that it changes nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Server, fresh_database, scratch};

/// The findings by their checks, and whether it ended well.
fn doctor(database: &str, folder: &Path) -> (Vec<(String, String, String)>, bool) {
    let output = Server::command(database, folder, &["doctor", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let list = found.as_array().unwrap().iter();
    let all = list.map(|finding| (text(finding, "check"), text(finding, "state"), text(finding, "says"))).collect();
    for finding in found.as_array().unwrap() {
        assert_eq!(finding["state"] == "ok", finding["fix"].is_null(), "{finding}");
    }
    (all, output.status.success())
}

fn state_of(found: &[(String, String, String)], check: &str) -> String {
    let states: Vec<&str> = found.iter().filter(|finding| finding.0 == check).map(|finding| &*finding.1).collect();
    states.join(" ")
}

fn bad(found: &[(String, String, String)]) -> Vec<&str> {
    found.iter().filter(|finding| finding.1 == "bad").map(|finding| &*finding.0).collect()
}

/// Everything in a folder: names, modes, lengths and times.
fn listing(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
            let seen = entry.metadata().unwrap();
            if seen.is_dir() {
                folders.push(entry.path());
            }
            all.push(format!(
                "{:?} {:o} {} {:?}",
                entry.path(),
                seen.permissions().mode(),
                seen.len(),
                seen.modified()
            ));
        }
    }
    all.sort();
    all
}

async fn tables(pool: &PgPool) -> Vec<(String, i64)> {
    let names: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut all = Vec::new();
    for name in names {
        let count = format!("select count(*) from {name}");
        all.push((name, sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(pool).await.unwrap()));
    }
    all
}

/// Before the first start there is nothing to mend, and nothing is made.
#[tokio::test]
async fn a_fresh_machine_is_well_and_stays_as_it_is() {
    let (database, folder) = (fresh_database().await, scratch());
    sqlx::raw_sql("drop schema public cascade; create schema public").execute(&database.pool).await.unwrap();
    let state = folder.path().join("state");
    let (found, well) = doctor(&database.url, &state);
    assert!(well && bad(&found).is_empty(), "{found:?}");
    assert_eq!((&*state_of(&found, "database"), &*state_of(&found, "schema")), ("ok", "warning"));
    assert!(!state.exists(), "it made a folder");
    assert_eq!(tables(&database.pool).await, [], "it made tables");
}

/// A private cluster that does not run is not started.
#[test]
fn a_private_cluster_is_not_started() {
    let folder = scratch();
    let state = folder.path().join("state");
    let (found, well) = doctor("", &state);
    assert!(well, "{found:?}");
    let (_, _, says) = found.iter().find(|finding| finding.0 == "database").unwrap();
    assert!(says.starts_with("a private PostgreSQL") && !state.exists(), "{says}");
}

#[tokio::test]
async fn a_running_installation_is_well_and_its_faults_are_named() {
    let (database, folder) = (fresh_database().await, scratch());
    let server = Server::start(&database.url, folder.path(), &[]);
    let declared = json!({"name": "t", "rows_public": 3, "budget": {"epsilon": 1, "delta": 1e-6},
        "schema": {"columns": [{"name": "a", "type": "integer", "min": 0, "max": 9}]}});
    let client = crate::support::client();
    let made = client.post(format!("{}/v1/datasets", server.base)).json(&declared).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let rows = client.put(format!("{}/v1/datasets/t/rows", server.base)).header("content-type", "text/csv");
    assert_eq!(rows.body("a\n1\n2\n3\n").send().await.unwrap().status(), 201);
    server.stop();

    let before = (listing(folder.path()), tables(&database.pool).await);
    let (found, well) = doctor(&database.url, folder.path());
    assert!(well && bad(&found).is_empty(), "{found:?}");
    for check in ["database", "schema", "state", "storage key", "signing key", "storage", "ledgers", "clock"] {
        assert_eq!(state_of(&found, check), "ok", "{check}: {found:?}");
    }
    assert_eq!(before, (listing(folder.path()), tables(&database.pool).await), "it changed something");

    let keys = folder.path().join("keys");
    let (key, aside) = (keys.join("storage"), keys.join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    let (found, well) = doctor(&database.url, folder.path());
    assert!(!well);
    assert_eq!(bad(&found), ["storage key"], "{found:?}");
    std::fs::rename(&aside, &key).unwrap();

    std::fs::set_permissions(keys.join("certificate.ed25519"), PermissionsExt::from_mode(0o644)).unwrap();
    let (found, _) = doctor(&database.url, folder.path());
    assert_eq!(bad(&found), ["signing key"], "{found:?}");
    std::fs::set_permissions(keys.join("certificate.ed25519"), PermissionsExt::from_mode(0o600)).unwrap();

    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let (found, _) = doctor(&database.url, folder.path());
    assert_eq!(bad(&found), ["state"], "{found:?}");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).unwrap();

    sqlx::raw_sql("update compatibility set migrations_needed = 1000").execute(&database.pool).await.unwrap();
    let (found, _) = doctor(&database.url, folder.path());
    assert_eq!(bad(&found), ["schema"], "{found:?}");
}

/// What is wrong with an address is said without its password.
#[test]
fn a_database_that_is_away_is_named_without_its_password() {
    let folder = scratch();
    for url in ["postgres://u:hunter2@127.0.0.1:1/x", "postgres://u:hunter2@127.0.0.1:port/x"] {
        let output: Output = Server::command(url, folder.path(), &["doctor"]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!output.status.success() && said.contains("BAD      database") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn settings_that_cannot_be_read_are_the_first_finding() {
    let folder = scratch();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[server]\nbinds = 3\n").unwrap();
    let output = Server::command("", folder.path(), &["doctor", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && said.starts_with("BAD      settings") && said.contains("binds"), "{said}");
}
