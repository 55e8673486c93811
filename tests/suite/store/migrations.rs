//! The migrations as prose: everything is commented, every constraint has a name that says what it is for.

use sqlx::PgPool;

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
