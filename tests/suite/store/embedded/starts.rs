//! Cold and warm starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use dp2stage::store::embedded::{Cluster, ClusterConfig, Durability};
use sqlx::{Connection, PgConnection};

use super::process::{copy_made_before, count_rows, durable, quick, write_rows};
use crate::support::scratch;

#[tokio::test]
async fn rows_outlive_a_stop() {
    let folder = scratch();
    let began = Instant::now();
    let cluster = Cluster::start(&durable(folder.path())).expect("a cold start");
    eprintln!("cold start: {:?}", began.elapsed());
    write_rows(&cluster.url(), 10).await;
    let data = cluster.data_dir().to_owned();
    let began = Instant::now();
    cluster.stop();
    eprintln!("stop: {:?}", began.elapsed());
    assert!(!data.join("postmaster.pid").exists(), "the server has ended when `stop` returns");
    let began = Instant::now();
    let cluster = Cluster::start(&durable(folder.path())).expect("a warm start");
    eprintln!("warm start: {:?}", began.elapsed());
    assert_eq!(count_rows(&cluster.url()).await, 10);
}

#[tokio::test]
async fn the_server_is_durable_private_and_discreet() {
    let folder = scratch();
    copy_made_before(folder.path());
    let cluster = Cluster::start(&durable(folder.path())).expect("a cluster");
    let mut connection = PgConnection::connect_with(&cluster.connect_options()).await.expect("a connection");
    for (name, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("server_encoding", "UTF8"),
    ] {
        let setting = sqlx::query_scalar::<_, String>("SELECT current_setting($1)").bind(name);
        assert_eq!(setting.fetch_one(&mut connection).await.expect("a setting"), value, "{name}");
    }
    for place in ["state/data", "state/socket"] {
        let mode = folder.path().join(place).metadata().expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{place}");
    }
    // a cell must not reach the log when a statement fails
    let table = "CREATE TABLE people (name text CONSTRAINT people_name_key UNIQUE CHECK (length(name) < 20))";
    sqlx::raw_sql(table).execute(&mut connection).await.expect("a table");
    sqlx::raw_sql("INSERT INTO people VALUES ('Wilhelmina')").execute(&mut connection).await.expect("a row");
    for failing in ["INSERT INTO people VALUES ('Wilhelmina')", "SELECT 1 / 0 FROM people WHERE name = 'Wilhelmina'"] {
        sqlx::raw_sql(failing).execute(&mut connection).await.expect_err("a refusal");
    }
    let log = fs::read_to_string(folder.path().join("state/postgres.log")).expect("a log");
    assert!(log.contains("people_name_key"), "the failure itself is logged");
    assert!(!log.contains("Wilhelmina"), "{log}");
}

#[tokio::test]
async fn a_half_made_cluster_is_made_again() {
    let folder = scratch();
    let unfinished = folder.path().join("state/data.new");
    fs::create_dir_all(unfinished.join("base")).expect("folders");
    fs::write(unfinished.join("PG_VERSION"), "15\n").expect("a file of a crashed initdb");
    let cluster = Cluster::start(&quick(folder.path())).expect("a cluster");
    write_rows(&cluster.url(), 1).await;
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn a_long_and_odd_path_is_no_obstacle_and_a_second_service_is_refused() {
    let folder = scratch();
    let state_dir = folder.path().join("a folder, with \"quotes\" & 'more'").join("x".repeat(100)).join("state");
    let config = ClusterConfig { durability: Durability::TestOnly, ..ClusterConfig::new(state_dir) };
    let cluster = Cluster::start(&config).expect("a cluster");
    write_rows(&cluster.url(), 1).await;
    let refusal = Cluster::start(&config).expect_err("the folder is taken").to_string();
    assert!(refusal.contains("in use by another dp2stage service"), "{refusal}");
    // the refused one did the first no harm
    assert_eq!(count_rows(&cluster.url()).await, 1);
    let socket = cluster.connect_options().get_socket().expect("a socket").clone();
    cluster.stop();
    let _ = fs::remove_dir_all(socket);
}
