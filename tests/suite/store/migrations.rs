//! The migrations as prose: everything is commented, every constraint has a name that says what it is for.

use dp2stage::store::{self, StoreError};
use sqlx::{Column, Executor, PgPool, SqlSafeStr, Statement, TypeInfo};

use crate::support::fresh_database;

async fn names(pool: &PgPool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(pool).await.expect("a catalogue")
}

#[tokio::test]
async fn every_table_column_and_function_is_commented() {
    let database = fresh_database().await;
    let silent = names(
        &database.pool,
        "select c.relname || coalesce('.' || a.attname, '') from pg_class c
         left join (select attrelid, attname, attnum from pg_attribute where attnum > 0 and not attisdropped
                    union all select oid, null, 0 from pg_class) a on a.attrelid = c.oid
         where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname not like '\\_sqlx%'
               and col_description(c.oid, a.attnum) is null and not (a.attnum = 0 and obj_description(c.oid) is not null)
         union all
         select proname || '()' from pg_proc where pronamespace = 'public'::regnamespace and obj_description(oid) is null",
    )
    .await;
    assert!(silent.is_empty(), "without a comment: {silent:?}");
    let tables = names(
        &database.pool,
        "select relname::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
    )
    .await;
    assert!(tables.len() >= 9, "{tables:?}");
}

#[tokio::test]
async fn constraints_have_names_of_our_own() {
    let database = fresh_database().await;
    let nameless = names(
        &database.pool,
        "select conname::text from pg_constraint
         where connamespace = 'public'::regnamespace and conrelid::regclass::text not like '\\_sqlx%'
               and conname ~ '_(pkey|fkey|key|check|excl)[0-9]*$'",
    )
    .await;
    assert!(nameless.is_empty(), "named by the machine: {nameless:?}");
}

/// The last migration of each published schema, with the statements of the programs that were published with it.
const RELEASED: [(usize, &str); 1] = [(4, include_str!("../../fixtures/released/after-0004.json"))];

#[derive(serde::Deserialize)]
struct Released {
    query: String,
    columns: Vec<(String, String)>,
    parameters: Vec<String>,
}

/// Expand and contract: whatever an older program says to the database is understood on the newest schema, takes and
/// gives the same types.
#[tokio::test]
async fn older_programs_work_on_the_newest_schema() {
    let database = fresh_database().await;
    let mut connection = database.pool.acquire().await.unwrap();
    for (_, statements) in RELEASED {
        for of in serde_json::from_str::<Vec<Released>>(statements).unwrap() {
            let statement = sqlx::AssertSqlSafe(of.query.clone()).into_sql_str();
            let prepared = connection.prepare(statement).await.unwrap_or_else(|e| panic!("{e}: {}", of.query));
            let lower = |name: &str| name.to_ascii_lowercase();
            let columns = prepared.columns().iter().map(|c| (c.name().to_owned(), lower(c.type_info().name())));
            let expected: Vec<_> = of.columns.iter().map(|(name, kind)| (name.clone(), lower(kind))).collect();
            assert_eq!(columns.collect::<Vec<_>>(), expected, "{}", of.query);
            let Some(sqlx::Either::Left(parameters)) = prepared.parameters() else { panic!("no parameters") };
            let parameters: Vec<_> = parameters.iter().map(|kind| lower(kind.name())).collect();
            assert_eq!(parameters, of.parameters.iter().map(|kind| lower(kind)).collect::<Vec<_>>(), "{}", of.query);
        }
    }
}

/// What a row of an older program lacks has a default, and what it has is still as it was.
#[tokio::test]
async fn rows_of_older_programs_are_taken() {
    let database = fresh_database().await;
    let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for (last, _) in RELEASED {
        sqlx::raw_sql("drop schema public cascade; create schema public").execute(&database.pool).await.unwrap();
        let mut before = Vec::new();
        for (i, file) in files.iter().enumerate() {
            let sql = std::fs::read_to_string(file).unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
            if i + 1 == last {
                before = columns(&database.pool).await;
            }
        }
        let after = columns(&database.pool).await;
        let tables: std::collections::BTreeSet<_> = before.iter().map(|c| c.0.clone()).collect();
        let lost: Vec<_> = before.iter().filter(|column| !after.contains(column)).collect();
        assert!(lost.is_empty(), "gone, or of another kind: {lost:?}");
        let added = after.iter().filter(|c| tables.contains(&c.0) && !before.contains(c));
        let wanted: Vec<_> = added.filter(|c| c.3).collect();
        assert!(wanted.is_empty(), "new columns that older programs do not fill: {wanted:?}");
    }
}

/// (table, column, type, whether a row has to name it)
async fn columns(pool: &PgPool) -> Vec<(String, String, String, bool)> {
    sqlx::query_as(
        "select table_name::text, column_name::text, data_type::text, is_nullable = 'NO' and column_default is null
         from information_schema.columns where table_schema = 'public' order by 1, 2",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// A schema that a newer program has brought further is no hindrance, unless it says so.
#[tokio::test]
async fn a_newer_schema_is_worked_on_unless_it_forbids_that() {
    let database = fresh_database().await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (9999, 'from the future', true, '\\x00', 0)";
    sqlx::query(newer).execute(&database.pool).await.unwrap();
    store::migrate(&database.pool).await.unwrap();
    sqlx::query("update compatibility set migrations_needed = 9999").execute(&database.pool).await.unwrap();
    let refused = store::migrate(&database.pool).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooOld { needed: 9999, .. }), "{refused}");
}
