//! What `fresh_database` promises.

use sqlx::postgres::PgPool;
use sqlx::{Connection, PgConnection};

use super::{TestDatabase, fresh_database};

fn database_of(database: &TestDatabase) -> String {
    database.options.get_database().expect("a name").to_owned()
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (one, two) = (fresh_database().await, fresh_database().await);
    sqlx::raw_sql("CREATE TABLE mine (id int)").execute(&one.pool).await.expect("a table");
    let count = "SELECT count(*) FROM pg_class WHERE relname = 'mine'";
    let seen: i64 = sqlx::query_scalar(count).fetch_one(&two.pool).await.expect("a count");
    assert_eq!(seen, 0);
    let by_url = PgPool::connect(&one.url).await.expect("a connection by URL");
    let seen: i64 = sqlx::query_scalar(count).fetch_one(&by_url).await.expect("a count");
    assert_eq!(seen, 1);
    let by_options = PgConnection::connect_with(&one.options).await.expect("a connection by options");
    by_options.close().await.expect("a clean end");
}

#[tokio::test]
async fn a_database_goes_with_its_handle() {
    let first = fresh_database().await;
    let name = database_of(&first);
    // its pool is open, which must not keep the database
    drop(first);
    let second = fresh_database().await;
    let count = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1").bind(name);
    let left: i64 = count.fetch_one(&second.pool).await.expect("a count");
    assert_eq!(left, 0);
}
