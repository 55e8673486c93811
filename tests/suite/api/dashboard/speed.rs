//! Pages with many jobs behind them.

use std::time::{Duration, Instant};

use super::{House, Person};

/// More than a person waits for; the goal is 50 ms, on a machine that does nothing else.
const MOST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 50 });

/// Ten thousand jobs do not make a page slower than it may be.
#[tokio::test]
async fn pages_come_at_once_with_ten_thousand_jobs() {
    let house = House::new().await;
    let columns = "select string_agg(quote_ident(column_name), ', ') from information_schema.columns
                   where table_name = 'jobs' and table_schema = 'public' and is_generated = 'NEVER'
                         and column_name not in ('id', 'created_at')";
    let columns: String = sqlx::query_scalar(columns).fetch_one(&house.api.database.pool).await.unwrap();
    let copies = format!(
        "insert into jobs (id, created_at, {columns})
         select gen_random_uuid(), created_at - n * interval '1 s', {columns}
         from jobs, generate_series(1, 10000) n where id = $1"
    );
    let id: uuid::Uuid = house.jobs[0].parse().unwrap();
    sqlx::query(sqlx::AssertSqlSafe(copies)).bind(id).execute(&house.api.database.pool).await.unwrap();
    sqlx::query("analyze jobs").execute(&house.api.database.pool).await.unwrap();
    let admin = Person::signed_in(&house.api, &house.admin).await;
    for (path, _) in house.pages() {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let began = Instant::now();
            let mut answer = admin.bare(reqwest::Method::GET, &path).send().await.unwrap();
            assert!(answer.status() == 200 && answer.chunk().await.unwrap().is_some(), "{path}");
            best = best.min(began.elapsed());
        }
        eprintln!("first byte of {path}: {:.1} ms", best.as_secs_f64() * 1e3);
        assert!(best < MOST, "{path}: {best:?}");
    }
}
