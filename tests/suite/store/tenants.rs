//! Row-level security: what PostgreSQL itself keeps one tenant from, whatever a statement asks for.

use std::time::Duration;

use dp2stage::store::{self, Scope, StoreError, Tenant};
use sqlx::{AssertSqlSafe, PgPool, Row};
use uuid::Uuid;

use super::budgets::{submit, table, whole};
use crate::support::fresh_database;

/// Tables that hold nothing that is somebody's.
const EVERYBODYS: [&str; 7] =
    ["workers", "work_done", "certificate_keys", "storage_keys", "audit_head", "compatibility", "_sqlx_migrations"];

/// A table that is neither everybody's by this list nor kept apart by forced policies fails: also one of tomorrow.
#[tokio::test]
async fn every_table_is_kept_apart_or_is_everybodys() {
    let database = fresh_database().await;
    let tables: Vec<(String, bool, bool, Vec<String>)> = sqlx::query_as(
        "select c.relname::text, c.relrowsecurity, c.relforcerowsecurity,
                array(select p.polname::text || ' ' || array(select r.rolname::text from pg_roles r where r.oid = any (p.polroles))::text
                      from pg_policy p where p.polrelid = c.oid order by 1)
         from pg_class c where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace order by 1",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let owner: String = sqlx::query_scalar("select current_user::text").fetch_one(&database.pool).await.unwrap();
    let (mut kept, mut shared) = (0, 0);
    for (table, enabled, forced, policies) in tables {
        if EVERYBODYS.contains(&table.as_str()) {
            shared += 1;
            continue;
        }
        assert!(enabled && forced, "{table}");
        assert_eq!(policies, [format!("operator {{{owner}}}"), "tenant {dp2stage_tenant}".to_owned()], "{table}");
        kept += 1;
    }
    assert_eq!((kept, shared), (16, EVERYBODYS.len()));
    let role: (bool, bool, bool, bool, bool) = sqlx::query_as(
        "select rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb from pg_roles where rolname = 'dp2stage_tenant'",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert_eq!(role, (false, false, false, false, false));
    let shared: Vec<String> = sqlx::query_scalar(
        "select table_name || ' ' || privilege_type from information_schema.role_table_grants
         where grantee = 'dp2stage_tenant' and table_name = any ($1)",
    )
    .bind(EVERYBODYS)
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(shared, ["workers SELECT"]);
}

/// No policy leaves PostgreSQL a choice of plans: see `migrations/0016_plain_policies.sql`.
#[tokio::test]
async fn policies_have_one_plan() {
    let database = fresh_database().await;
    let asked: Vec<String> =
        sqlx::query_scalar("select concat(qual, with_check) from pg_policies").fetch_all(&database.pool).await.unwrap();
    assert!(asked.len() > 30);
    for policy in asked {
        assert!(!["EXISTS", " IN ", " ANY "].iter().any(|word| policy.contains(word)), "{policy}");
    }
}

/// Many jobs, many events and few of them released: with policies of EXISTS, PostgreSQL refused every submission from
/// there on.
#[tokio::test]
async fn submissions_do_not_depend_on_what_the_tables_are_like() {
    let database = fresh_database().await;
    let mut connection = database.pool.acquire().await.unwrap();
    for sql in [
        "set session_replication_role = replica",
        "insert into jobs (id, dataset_id, dataset_version, population_id, request, plan, epsilon, delta, price,
                           blocks_allowed, tenant, status, finished_at)
         select gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), '{}', '{}', 1, 1e-6, '{}', 1, 'a',
                'succeeded', now() from generate_series(1, 1000)",
        "insert into job_events (job_id, seq, released, kind, word, attempt, at)
         select j.id, s, case when s = 1 then 1 end, 'status', 'queued', 0, now() from jobs j, generate_series(1, 30) s",
        "vacuum analyze jobs",
        "vacuum analyze job_events",
        "reset session_replication_role",
    ] {
        sqlx::raw_sql(sql).execute(&mut *connection).await.unwrap();
    }
    let tenant = Tenant::new(&database.pool, "a");
    let dataset = table(&tenant, 1.0).await;
    submit(&tenant, &dataset, whole(1.0, 0.1)).await.unwrap();
}

/// At least a row of tenant `a` in every table that is kept apart.
async fn fill(pool: &PgPool) -> store::Dataset {
    let dataset = table(&Tenant::new(pool, "a"), 1.0).await;
    let job = submit(pool, &dataset, whole(1.0, 0.1)).await.unwrap().job_id;
    let lease = store::claim(pool, "w", Duration::from_secs(600)).await.unwrap().unwrap().lease;
    store::claim_block(pool, lease, 0).await.unwrap();
    for sql in [
        "insert into webhook_deliveries (job_id, url) values ($1, 'https://example.org')",
        "insert into artifacts (job_id, kind, blob, bytes) values ($1, 'synthetic', 'blob', 1)",
        "insert into destructions (dataset_id, job_id, days, due_at, destroyed_at)
         select dataset_id, id, 1, now(), now() from jobs where id = $1",
        "insert into idempotency_keys (tenant, key, body, job_id) values ('a', 'key', 'body', $1)",
        "with k as (insert into certificate_keys (id, public_key) values ('k', sha256('k')) returning id)
         insert into certificates (job_id, key_id, envelope) select $1, id, '{}' from k",
        "with s as (insert into storage_keys (id) values ('0123456789abcdef') returning id)
         insert into blob_keys (blob, dataset_id, storage_key, wrapped)
         select 'blob', j.dataset_id, s.id, decode(repeat('00', 72), 'hex') from s, jobs j where j.id = $1",
        "insert into api_keys (id, secret, role, tenant) select 'a', sha256('a'), 'admin', 'a' from jobs where id = $1",
        "insert into audit_entries (seq, at_micros, request_id, role, tenant, method, route, objects, digest)
         select 1, 1, 'r', 'admin', 'a', 'GET', '/', '{}', sha256('a') from jobs where id = $1",
        "insert into audit_entries (seq, opened, at_micros, objects, digest)
         select 2, 1, 2, '{}', sha256('b') from jobs where id = $1",
    ] {
        sqlx::query(sql).bind(job).execute(pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    dataset
}

async fn count(scope: &impl Scope, table: &str) -> i64 {
    let count = format!("select count(*) from {table}");
    sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *scope.begin().await.unwrap()).await.unwrap()
}

async fn kept_apart(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select relname::text from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Every table: its tenant sees all rows, another one none, nobody in particular none; and no statement of another one
/// changes or removes any.
#[tokio::test]
async fn rows_are_seen_and_changed_by_their_tenant_alone() {
    let database = fresh_database().await;
    let pool = &database.pool;
    fill(pool).await;
    let (own, other, nobody) = (Tenant::new(pool, "a"), Tenant::new(pool, "b"), Tenant::new(pool, ""));
    for table in kept_apart(pool).await {
        let all = count(pool, &table).await;
        assert!(all > 0, "{table} is empty: nothing is shown");
        assert_eq!(count(&own, &table).await, all, "{table}");
        assert_eq!((count(&other, &table).await, count(&nobody, &table).await), (0, 0), "{table}");
        for sql in
            [format!("delete from {table}"), format!("update {table} set {0} = {0}", first_column(pool, &table).await)]
        {
            let mut tx = other.begin().await.unwrap();
            match sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut *tx).await {
                Ok(done) => assert_eq!(done.rows_affected(), 0, "{sql}"),
                Err(error) => assert!(error.to_string().contains("permission denied"), "{sql}: {error}"),
            }
        }
    }
}

async fn first_column(pool: &PgPool, table: &str) -> String {
    sqlx::query_scalar("select attname::text from pg_attribute where attrelid = $1::text::regclass and attnum = 1")
        .bind(table)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Nothing can be given to another tenant, or hung onto what is another's; whose something is does not change.
#[tokio::test]
async fn nothing_is_written_into_the_house_of_another() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let theirs = fill(pool).await;
    let (b, own) = (Tenant::new(pool, "b"), table(&Tenant::new(pool, "b"), 1.0).await);
    let refused = async |sql: &str, id: Uuid| {
        let mut tx = b.begin().await.unwrap();
        let error = sqlx::query(AssertSqlSafe(sql.to_owned())).bind(id).execute(&mut *tx).await.expect_err(sql);
        let error = error.to_string();
        let expected = ["row-level security", "does not change", "permission denied", "violates foreign key"];
        assert!(expected.iter().any(|reason| error.contains(reason)), "{sql}: {error}");
    };
    for table in ["populations", "datasets", "api_keys"] {
        let id = if table == "datasets" { own.id } else { own.population_id };
        if table != "api_keys" {
            refused(&format!("update {table} set tenant = 'a' where id = $1"), id).await;
        }
    }
    refused("insert into idempotency_keys (tenant, key, body, job_id) values ('a', 'k', 'b', $1)", own.id).await;
    refused(
        "insert into api_keys (id, secret, role, tenant) values (left($1::text, 12), sha256('x'), 'admin', 'a')",
        own.id,
    )
    .await;
    // A dataset of one's own on the budget of another.
    refused(
        "insert into datasets (id, name, population_id, schema, rows_public, holdout)
         values (gen_random_uuid(), 'x', $1, '{}', 1, 0)",
        theirs.population_id,
    )
    .await;
    refused(
        "insert into dataset_versions (dataset_id, version, rows, bytes, sha256, blob) values ($1, 2, 1, 1, '', 'x')",
        theirs.id,
    )
    .await;
    refused(
        "insert into ledger_entries (population_id, seq, kind, block, mu2_pico, leak_atto, at_micros, record, digest)
         values ($1, 99, 'grant', 0, 0, 0, 0, '{}', sha256('x'))",
        theirs.population_id,
    )
    .await;
    for table in ["audit_entries", "audit_head", "compatibility", "certificate_keys", "storage_keys"] {
        refused(&format!("delete from {table} where $1 is not null"), own.id).await;
    }
    // The operator cannot mix them up either.
    let mixed = sqlx::query("update jobs set tenant = 'b'").execute(pool).await.unwrap_err();
    assert!(mixed.to_string().contains("violates foreign key"), "{mixed}");
}

/// A connection that served one tenant serves the next one and the operator as if it were new.
#[tokio::test]
async fn connections_remember_nobody() {
    let database = fresh_database().await;
    fill(&database.pool).await;
    let pool = store::connect(database.options.clone(), 1);
    let owner: String = sqlx::query_scalar("select current_user::text").fetch_one(&pool).await.unwrap();
    for committed in [true, false] {
        let mut tx = Tenant::new(&pool, "a").begin().await.unwrap();
        let who: (String, String) = sqlx::query_as("select current_user::text, current_setting('dp2stage.tenant')")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(who, ("dp2stage_tenant".to_owned(), "a".to_owned()));
        if committed {
            tx.commit().await.unwrap();
        } else {
            drop(tx);
        }
        let who: (String, Option<String>) =
            sqlx::query_as("select current_user::text, nullif(current_setting('dp2stage.tenant', true), '')")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(who, (owner.clone(), None));
        assert_eq!(count(&Tenant::new(&pool, "b"), "jobs").await, 0);
        assert_eq!(count(&Tenant::new(&pool, "a"), "jobs").await, 1);
    }
}

/// A caller that goes away while its transaction begins, wherever that is, leaves nothing behind for the next one.
#[tokio::test]
async fn whoever_goes_away_in_the_middle_leaves_nothing_behind() {
    let database = fresh_database().await;
    let pool = store::connect(database.options.clone(), 1);
    let owner: String = sqlx::query_scalar("select current_user::text").fetch_one(&pool).await.unwrap();
    let (tenant, mut begun) = (Tenant::new(&pool, "a"), 0);
    for polls in 0..40 {
        {
            let mut begin = Box::pin(tenant.begin());
            for _ in 0..polls {
                if futures_util::poll!(begin.as_mut()).is_ready() {
                    begun += 1;
                    break;
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
        let who =
            sqlx::raw_sql("select current_user::text, now() = statement_timestamp()").fetch_one(&pool).await.unwrap();
        assert_eq!((who.get::<String, _>(0), who.get::<bool, _>(1)), (owner.clone(), true), "after {polls} polls");
    }
    assert!(begun > 0, "40 polls are enough to begin");
}

/// Names come from keys; whatever they were, they are names and nothing else.
#[tokio::test]
async fn a_hostile_name_is_a_name() {
    let database = fresh_database().await;
    let pool = &database.pool;
    fill(pool).await;
    for name in
        ["a'", "'a", "b' or 'a", "b'; reset role; set dp2stage.tenant = 'a", "a\\", "\\'", "$$a$$", "a\"", "A", "a "]
    {
        let tenant = Tenant::new(pool, name);
        let mut tx = tenant.begin().await.unwrap();
        let told: (String, String) = sqlx::query_as("select current_user::text, current_setting('dp2stage.tenant')")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(told, ("dp2stage_tenant".to_owned(), name.to_owned()));
        assert_eq!(count(&tenant, "jobs").await, 0, "{name}");
    }
}

/// An installation whose login is no superuser, and owns its tables: the security is forced on it as well.
#[tokio::test]
async fn an_owner_that_is_no_superuser_is_kept_apart_too() {
    let database = fresh_database().await;
    let login = format!("dp2stage_login_{}", Uuid::now_v7().simple());
    let name = format!("{login}_db");
    for sql in [format!("create role {login} login createrole"), format!("create database {name} owner {login}")] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
    }
    let pool = store::connect(database.options.clone().username(&login).database(&name), 2);
    store::migrate(&pool).await.unwrap();
    let dataset = fill(&pool).await;
    let (own, other) = (Tenant::new(&pool, "a"), Tenant::new(&pool, "b"));
    for table in kept_apart(&pool).await {
        assert!(count(&pool, &table).await > 0, "the operator sees {table}");
        assert_eq!(
            (count(&own, &table).await, count(&other, &table).await),
            (count(&pool, &table).await, 0),
            "{table}"
        );
    }
    let missing = store::find_dataset(&other, &dataset.id.to_string()).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound("dataset")));
    store::budget(&own, dataset.population_id).await.unwrap().verify(true).unwrap();
    pool.close().await;
    for sql in [format!("drop database {name}"), format!("drop role {login}")] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
    }
}
