//! The sweep of what is kept no longer: what is due goes and nothing else, once, whoever sweeps and whatever comes between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dp2stage::store::{
    self, Blob, Blobs, Dataset, Destroyed, Keep, Retention, StoreError, Swept, Tenant, Term, Version,
};
use rand::Rng;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::budgets::{job_on, measured, named, submit, table};
use crate::support::{blob_named, blobs_in, dice, fresh_database, repeats, scratch};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An installation that keeps uploads and results for so many days where nothing is said.
fn house(rows: u32, results: u32) -> Retention {
    let term = |days| Term { days, most: 0 };
    Retention { rows: term(rows), results: term(results) }
}

async fn sql(pool: &PgPool, text: &'static str, id: Uuid, version: i32, hours: i32) {
    // What happened earlier is written behind the guards' backs.
    let mut tx = pool.begin().await.unwrap();
    sqlx::raw_sql("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    sqlx::query(text).bind(id).bind(version).bind(hours).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// An upload that was complete so many hours ago; its number.
async fn upload(pool: &PgPool, dataset: Uuid, hours: i32) -> i32 {
    let (created_at, blob) = (time::OffsetDateTime::UNIX_EPOCH, Blob::plain(named()));
    let version = Version { version: 0, rows: 1, bytes: 1, sha256: "00".into(), blob, created_at };
    let version = store::add_version(pool, dataset, &version).await.unwrap().version;
    let past = "update dataset_versions set created_at = now() - make_interval(hours => $3)
                where dataset_id = $1 and version = $2";
    sql(pool, past, dataset, version, hours).await;
    version
}

/// A job on an upload in a state; one that succeeded did so many hours ago, and left two things.
async fn job(pool: &PgPool, like: Uuid, (version, status): (i32, &str), hours: i32) -> Uuid {
    let id = Uuid::now_v7();
    let copy = "insert into jobs (id, dataset_id, dataset_version, population_id, request, plan, epsilon, delta, price,
                                  blocks_allowed, status, lease_expires_at, finished_at)
                select $2, dataset_id, $3, population_id, request, plan, epsilon, delta, price, 0, $4,
                       case when $4 = 'running' then now() + interval '1 hour' end,
                       case when $4 = 'succeeded' then now() - make_interval(hours => $5) end
                from jobs where id = $1";
    sqlx::query(copy).bind(like).bind(id).bind(version).bind(status).bind(hours).execute(pool).await.unwrap();
    if status == "succeeded" {
        let left = "insert into artifacts (job_id, kind, blob, bytes)
                    select $1, kind, repeat('0', 64) || '-' || replace(gen_random_uuid()::text, '-', ''), 1
                    from unnest('{synthetic,report}'::text[]) kind";
        sqlx::query(left).bind(id).execute(pool).await.unwrap();
    }
    id
}

async fn uploads_there(pool: &PgPool) -> BTreeSet<(Uuid, i32)> {
    let there = "select dataset_id, version from dataset_versions where blob is not null";
    sqlx::query_as(there).fetch_all(pool).await.unwrap().into_iter().collect()
}

async fn results_there(pool: &PgPool) -> BTreeMap<Uuid, i64> {
    let there = "select job_id, count(*) from artifacts group by 1";
    sqlx::query_as(there).fetch_all(pool).await.unwrap().into_iter().collect()
}

/// Lines of sweeps: the tenant, and the ids of what they were about.
async fn told(pool: &PgPool) -> Vec<(String, Vec<String>)> {
    store::verify_audit(pool).await.unwrap().unwrap();
    let lines = "select o.tenant, o.objects from audit_entries o join audit_entries c on c.opened = o.seq
                 where o.method = 'SWEEP' and o.role = 'operator' and o.route = 'retention' and c.status = 200
                 order by o.seq";
    sqlx::query_as(lines).fetch_all(pool).await.unwrap()
}

/// Random datasets, uploads, jobs and choices of days; what a sweep leaves is what the rule says, computed here once more.
#[tokio::test]
async fn what_is_due_goes_and_nothing_else() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (&database.pool, blobs_in(folder.path()));
    let mut dice = dice("store::retention");
    let days = [None, Some(0), Some(1), Some(10), Some(30)];
    let house = Retention { rows: Term { days: 20, most: 25 }, results: Term { days: 0, most: 0 } };
    let over = |term: Term, chosen: Option<u32>, hours: i32| {
        let cut = |days: u32| if days == 0 { u32::MAX } else { days };
        let kept = cut(chosen.unwrap_or(term.days)).min(cut(term.most));
        i64::from(hours) >= 24 * i64::from(kept)
    };
    let (mut uploads, mut results, mut lines) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for _ in 0..repeats(25, 250) {
        let dataset = table(pool, 1.0).await;
        let any = submit(pool, &dataset, measured(1.0, 0.1)).await.unwrap().job_id;
        let keep = Keep { rows_days: days[dice.random_range(0..5)], results_days: days[dice.random_range(0..5)] };
        store::set_keep(pool, dataset.id, keep).await.unwrap();
        let mut swept = false;
        // The first upload is young, and has a job in the queue; the others are of all ages, some to the hour.
        uploads.insert((dataset.id, 1));
        for _ in 0..dice.random_range(0..4) {
            let age = |dice: &mut rand_chacha::ChaCha8Rng| match dice.random_range(0..3) {
                0 => 24 * [1, 10, 20, 25, 30][dice.random_range(0..5)],
                1 => 24 * [1, 10, 20, 25, 30][dice.random_range(0..5)] - 1,
                _ => dice.random_range(0..900),
            };
            let hours = age(&mut dice);
            let version = upload(pool, dataset.id, hours).await;
            let status = ["queued", "running", "succeeded", "succeeded"][dice.random_range(0..4)];
            let ended = age(&mut dice);
            let id = job(pool, any, (version, status), ended).await;
            let needed = status != "succeeded";
            if !needed && over(house.rows, keep.rows_days, hours) {
                swept = true;
            } else {
                uploads.insert((dataset.id, version));
            }
            if needed {
                continue;
            }
            if over(house.results, keep.results_days, ended) {
                swept = true;
            } else {
                results.insert(id, 2);
            }
        }
        if swept {
            lines.insert(dataset.id.to_string());
        }
    }
    let ledgers = "select count(*) from ledger_entries";
    let before: i64 = sqlx::query_scalar(ledgers).fetch_one(pool).await.unwrap();
    let destroyed = store::sweep_due(pool, &blobs, &house, Duration::ZERO).await.unwrap();
    assert_eq!(uploads_there(pool).await, uploads);
    assert_eq!(results_there(pool).await, results);
    let told = told(pool).await;
    assert_eq!(told.iter().map(|line| line.1[0].clone()).collect::<BTreeSet<_>>(), lines);
    assert_eq!((told.len(), told.iter().map(|line| line.1.len() - 1).sum()), (lines.len(), destroyed.jobs));
    assert!(destroyed.uploads > 3 && destroyed.jobs > 3, "{destroyed:?}");
    let kept: (i64, i64) = sqlx::query_as(
        "select count(version), count(job_id) from destructions where destroyed_at >= due_at and days > 0",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(kept, (destroyed.uploads as i64, destroyed.jobs as i64));
    assert_eq!(sqlx::query_scalar::<_, i64>(ledgers).fetch_one(pool).await.unwrap(), before);
    assert_eq!(store::sweep_due(pool, &blobs, &house, Duration::ZERO).await.unwrap(), Destroyed::default());
}

/// Nothing is swept where nobody says so, however long it lies; and what is said later holds for what is there.
#[tokio::test]
async fn days_are_chosen_anew() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (&database.pool, blobs_in(folder.path()));
    let dataset = table(pool, 1.0).await;
    let sweep = async |days: u32| store::sweep_due(pool, &blobs, &house(0, 0), days * DAY).await.unwrap().uploads;
    let choose = async |rows_days| {
        store::set_keep(pool, dataset.id, Keep { rows_days, results_days: None }).await.unwrap();
    };
    assert_eq!(sweep(30_000).await, 0);
    choose(Some(30)).await;
    assert_eq!(sweep(29).await, 0);
    choose(Some(60)).await;
    assert_eq!(sweep(31).await, 0);
    choose(Some(10)).await;
    assert_eq!(sweep(11).await, 1);
    let other = Tenant::new(pool, "other");
    let refused = store::set_keep(&other, dataset.id, Keep::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotFound("dataset")));
    let kept = store::kept(pool, dataset.id).await.unwrap();
    assert!(kept.rows_destroyed_at.is_some() && kept.results_destroyed_at.is_none(), "{kept:?}");
    // A sweep is told of on behalf of whose it was.
    let theirs = table(&other, 1.0).await;
    store::set_keep(&other, theirs.id, Keep { rows_days: Some(1), results_days: None }).await.unwrap();
    assert_eq!(sweep(2).await, 1);
    assert_eq!(told(pool).await.last().unwrap(), &("other".to_owned(), vec![theirs.id.to_string()]));
    assert_eq!(store::kept(&Tenant::new(pool, "third"), theirs.id).await.unwrap(), store::Kept::default());
}

/// Many servers sweep at once: each thing is destroyed once, told of once, and nobody fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sweepers_at_once_destroy_once() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (&database.pool, blobs_in(folder.path()));
    let mut datasets = Vec::new();
    for _ in 0..12 {
        let dataset = table(pool, 1.0).await;
        let any = submit(pool, &dataset, measured(1.0, 0.1)).await.unwrap().job_id;
        for _ in 0..3 {
            job(pool, any, (1, "succeeded"), 0).await;
        }
        store::cancel(pool, any).await.unwrap();
        datasets.push(dataset.id.to_string());
    }
    let (house, ahead) = (house(30, 30), 31 * DAY);
    let sweeps = (0..6).map(|_| {
        let (pool, blobs) = (pool.clone(), blobs.clone());
        tokio::spawn(async move { store::sweep_due(&pool, &blobs, &house, ahead).await.unwrap() })
    });
    let swept: Vec<Destroyed> = futures_util::future::join_all(sweeps).await.into_iter().map(Result::unwrap).collect();
    let sum = |of: fn(&Destroyed) -> usize| swept.iter().map(of).sum::<usize>();
    assert_eq!((sum(|d| d.uploads), sum(|d| d.jobs), sum(|d| d.blobs.len())), (12, 36, 84));
    let mut told: Vec<String> = told(pool).await.into_iter().map(|line| line.1[0].clone()).collect();
    told.sort();
    datasets.sort();
    assert_eq!(told, datasets);
}

/// Submissions and sweeps at the same moment: a job that was admitted has its rows, and one that was not is told that there
/// are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_job_loses_its_rows_to_a_sweep() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (mut admitted, mut refused) = (0, 0);
    for round in 0..repeats(60, 2000) {
        let dataset = table(pool, 1.0).await;
        let new = job_on(pool, &dataset, measured(1.0, 0.1)).await;
        let (one, two) = (pool.clone(), pool.clone());
        let sweep = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_micros(100 * (round as u64 % 20))).await;
            store::destroy(&one, dataset.id, &house(30, 30), 31 * DAY).await.unwrap().uploads
        });
        let submission = tokio::spawn(async move { store::submit(&two, &new, None).await });
        let (swept, submitted) = (sweep.await.unwrap(), submission.await.unwrap());
        match submitted {
            Ok(_) => admitted += 1,
            Err(StoreError::NoRows) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        let lost = "select count(*) from jobs j join dataset_versions v on v.dataset_id = j.dataset_id
                        and v.version = j.dataset_version where v.blob is null and j.status = 'queued'";
        assert_eq!(sqlx::query_scalar::<_, i64>(lost).fetch_one(pool).await.unwrap(), 0);
        assert_eq!(swept, usize::from(submitted.is_err()));
    }
    assert!(admitted > 0 && refused > 0, "{admitted} admitted, {refused} refused: no race at all");
}

/// A public table that a job of another one was planned with.
#[tokio::test]
async fn rows_of_a_public_table_stay_while_a_job_needs_them() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (own, public) = (table(pool, 1.0).await, table(pool, 1.0).await);
    let declare = "update datasets set public = $2 = 1 and $3 = 0 where id = $1";
    sql(pool, declare, public.id, 1, 0).await;
    let planned = async || {
        let plan = json!({"public_table": {"dataset": public.id, "version": 1}});
        store::NewJob { plan, public_table: Some(public.id), ..job_on(pool, &own, measured(1.0, 0.1)).await }
    };
    let destroy = async |of: &Dataset| store::destroy(pool, of.id, &house(1, 1), 2 * DAY).await.unwrap().uploads;
    let early = planned().await;
    let admitted = store::submit(pool, &planned().await, None).await.unwrap().job_id;
    assert_eq!((destroy(&own).await, destroy(&public).await), (0, 0), "both are needed");
    store::cancel(pool, admitted).await.unwrap();
    assert_eq!(destroy(&public).await, 1);
    let refused = store::submit(pool, &early, None).await.unwrap_err();
    assert!(matches!(refused, StoreError::NoRows), "{refused}");
    assert!(matches!(store::public_version(pool, public.id).await, Err(StoreError::NoRows)));
    assert_eq!(destroy(&own).await, 1);
}

/// Everything under a name of `blobs` that opens: with the key that the database has for it, or with any other one.
async fn opens(pool: &PgPool, blobs: &Blobs, names: &[String]) -> usize {
    let mut keys = Vec::new();
    for name in names {
        keys.push(blob_named(pool, name).await);
    }
    let tries = |name: &String| keys.iter().any(|key| blobs.read(&Blob { name: name.clone(), ..key.clone() }).is_ok());
    names.iter().filter(|name| tries(name)).count()
}

/// A server dies between the transaction and the removal of blobs: with the storage as it was, and the storage key, nothing
/// opens; and what was left goes with the orphans.
#[tokio::test]
async fn nothing_opens_after_the_transaction() {
    let (database, folder) = (fresh_database().await, scratch());
    let pool = &database.pool;
    let source = store::KeySource::File(folder.path().join("keys/storage"));
    let keys = store::keyring(pool, &source, true).await.unwrap();
    let blobs = Blobs::open(&folder.path().join("blobs"), keys).unwrap();
    let dataset = table(pool, 1.0).await;
    let ours = blobs.of(dataset.id);
    let blob = ours.put(b"private rows").unwrap().blob;
    let (created_at, rows) = (time::OffsetDateTime::UNIX_EPOCH, blob.name.clone());
    let version = Version { version: 0, rows: 1, bytes: 1, sha256: "00".into(), blob, created_at };
    store::add_version(pool, dataset.id, &version).await.unwrap();
    submit(pool, &dataset, measured(1.0, 0.1)).await.unwrap();
    let lease = store::claim(pool, "w", DAY).await.unwrap().unwrap().lease;
    store::claim_opening(pool, lease).await.unwrap();
    let left = |kind, bytes: &[u8]| store::Artifact { kind, blob: ours.put(bytes).unwrap().blob, bytes: 1 };
    let artifacts = [left(store::ArtifactKind::Model, b"a model"), left(store::ArtifactKind::Report, b"a report")];
    store::finish(pool, lease, &artifacts).await.unwrap();
    let names = vec![rows, artifacts[0].blob.name.clone(), artifacts[1].blob.name.clone()];
    assert_eq!(opens(pool, &blobs, &names).await, 3);

    let destroyed = store::destroy(pool, dataset.id, &house(30, 0), 31 * DAY).await.unwrap();
    assert_eq!((destroyed.uploads, destroyed.jobs), (2, 0));
    assert_eq!(opens(pool, &blobs, &names).await, 2, "results are kept for ever");
    let destroyed = store::destroy(pool, dataset.id, &house(30, 60), 61 * DAY).await.unwrap();
    assert_eq!((destroyed.uploads, destroyed.jobs), (0, 1));
    assert_eq!(opens(pool, &blobs, &names).await, 0);
    assert!(names.iter().all(|name| blobs.has(name).unwrap()), "they lie there as before");
    let gone = store::artifact(pool, lease.job_id, store::ArtifactKind::Model).await.unwrap_err();
    assert!(matches!(gone, StoreError::Gone { days: 60, .. }), "{gone}");
    for sql in ["update destructions set days = 1", "delete from destructions", "truncate destructions"] {
        let refused = sqlx::raw_sql(sql).execute(pool).await.unwrap_err().to_string();
        assert!(refused.contains("stays destroyed"), "{sql}: {refused}");
    }
    let swept = store::sweep_orphans(pool, &blobs, Duration::ZERO).await.unwrap();
    assert_eq!(swept, Swept { blobs: 3, unfinished: 0 });
}
