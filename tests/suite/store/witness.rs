//! The witness of the ledger: what was spent is remembered outside of the database, and comes back after a restore.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dp2stage::engine::{Halt, Meter};
use dp2stage::privacy::{Entry, EntryKind};
use dp2stage::queue::{LeaseTerms, Tether};
use dp2stage::store::{self, Blob, Blobs, Dataset, JobStatus, Recovered, Rewound, Storage, StoreError};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::budgets::{blocks, grant, submit, table, whole};
use super::openings::claim;
use crate::support::{TestDatabase, blobs_in, fresh_database, ring, scratch};

async fn lines(pool: &PgPool, population: Uuid) -> Vec<Entry> {
    store::budget(pool, population).await.unwrap().book.entries
}

/// A sound ledger's kinds of lines, and what is spent and held of the budget.
async fn told(pool: &PgPool, population: Uuid) -> (Vec<EntryKind>, f64, f64) {
    let budget = store::budget(pool, population).await.unwrap();
    let findings = budget.verify(true).unwrap();
    let shares = findings.account.shares();
    (budget.book.entries.iter().map(|entry| entry.kind).collect(), shares.spent, shares.reserved)
}

/// A database with a charged job, and the storage beside it, as they were when a backup was made, and as they are.
struct Restored {
    now: TestDatabase,
    backup: TestDatabase,
    blobs: Blobs,
    dataset: Dataset,
    _folder: tempfile::TempDir,
}

/// `before` happens before the backup, `after` after it; both are witnessed.
async fn restored(before: impl AsyncFnOnce(&PgPool, &Dataset), after: impl AsyncFnOnce(&PgPool, &Dataset)) -> Restored {
    let (mut now, folder) = (fresh_database().await, scratch());
    let blobs = blobs_in(&folder.path().join("blobs"));
    let dataset = table(&now.pool, 1.0).await;
    before(&now.pool, &dataset).await;
    store::witness_all(&now.pool, &blobs).await.unwrap();
    let backup = now.copy().await;
    after(&now.pool, &dataset).await;
    store::witness_all(&now.pool, &blobs).await.unwrap();
    // Another process, which knows nothing yet.
    let blobs = blobs_in(&folder.path().join("blobs"));
    Restored { now, backup, blobs, dataset, _folder: folder }
}

/// Every line is a page that says the same, wherever the storage is; saying it again changes nothing.
#[tokio::test]
async fn every_line_is_witnessed() {
    let (database, folder) = (fresh_database().await, scratch());
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    submit(pool, &dataset, whole(1.0, 0.3)).await.unwrap();
    let bucket = Storage { url: "memory:///".into(), quota_bytes: 1, min_free_bytes: 0 }.open(ring()).unwrap();
    let local = Storage { quota_bytes: 1, ..Storage::folder(folder.path()) }.open(ring()).unwrap();
    for blobs in [&local, &bucket] {
        store::witness(pool, blobs, dataset.population_id).await.unwrap();
        assert_eq!(store::rewound(pool, blobs).await.unwrap(), []);
    }
    store::claim_opening(pool, claim(pool).await).await.unwrap();
    for blobs in [&local, &bucket, &blobs_in(folder.path())] {
        store::witness_all(pool, blobs).await.unwrap();
        store::witness_all(pool, blobs).await.unwrap();
        assert_eq!(store::rewound(pool, blobs).await.unwrap(), []);
    }
    let pages = folder.path().join("ledger").join(dataset.population_id.to_string());
    let mut names: Vec<PathBuf> = fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let written: Vec<Entry> =
        names.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect();
    assert_eq!(written, lines(pool, dataset.population_id).await);
    assert!(names[2].ends_with("000000000003"));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&names[0]).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A tether on the only job of a database.
async fn tether(pool: &PgPool, blobs: &Blobs, drain: &CancellationToken) -> Arc<Tether> {
    let held = (claim(pool).await, LeaseTerms::default(), Instant::now());
    Arc::new(Tether::new(pool.clone(), blobs.clone(), held, None, drain.clone()))
}

/// The work that a charge pays for begins only when the charge is witnessed: while storage is away, the engine waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_work_begins_before_its_charge_is_witnessed() {
    let (database, folder) = (fresh_database().await, scratch());
    let pool = &database.pool;
    let (blobs, drain) = (blobs_in(folder.path()), CancellationToken::new());
    let dataset = table(pool, 1.0).await;
    submit(pool, &dataset, blocks(1.0, 0.3)).await.unwrap();
    let tether = tether(pool, &blobs, &drain).await;
    let block = |number| {
        let tether = tether.clone();
        tokio::task::spawn_blocking(move || tether.claim_block(number))
    };
    block(0).await.unwrap().unwrap();
    let pages = folder.path().join("ledger").join(dataset.population_id.to_string());
    let witnessed = || fs::read_dir(&pages).map_or(0, Iterator::count);
    assert_eq!((witnessed(), lines(pool, dataset.population_id).await.len()), (3, 3));

    let away = folder.path().join("elsewhere");
    fs::rename(&pages, &away).unwrap();
    fs::write(&pages, "in the way").unwrap();
    let second = block(1);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(lines(pool, dataset.population_id).await.len(), 4, "it is charged");
    assert!(!second.is_finished(), "and waits for its witness");
    fs::remove_file(&pages).unwrap();
    fs::rename(&away, &pages).unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(witnessed(), 4);

    fs::rename(&pages, &away).unwrap();
    fs::write(&pages, "in the way").unwrap();
    drain.cancel();
    assert_eq!(block(2).await.unwrap(), Err(Halt::Draining));
}

/// Nothing is charged on a ledger that has forgotten lines: it would be another one from there on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_charged_on_a_rewound_ledger() {
    let restored = restored(
        async |pool, dataset| {
            submit(pool, dataset, whole(1.0, 0.3)).await.unwrap();
        },
        async |pool, _| store::claim_opening(pool, claim(pool).await).await.unwrap(),
    )
    .await;
    let pool = &restored.backup.pool;
    let tether = tether(pool, &restored.blobs, &CancellationToken::new()).await;
    let charged = tokio::task::spawn_blocking(move || tether.claim_opening()).await.unwrap();
    assert!(matches!(charged, Err(Halt::Host(_))), "{charged:?}");
    assert_eq!(lines(pool, restored.dataset.population_id).await.len(), 2);
    let witnessed = store::witness_all(pool, &restored.blobs).await;
    assert!(matches!(witnessed, Err(StoreError::Rewound(_))), "{witnessed:?}");
}

/// A charge after the backup comes back, and with it everything before it; the job that it paid for does not run
/// again.
#[tokio::test]
async fn what_was_charged_after_a_backup_comes_back() {
    let restored = restored(
        async |pool, dataset| {
            for _ in 0..2 {
                submit(pool, dataset, whole(1.0, 0.2)).await.unwrap();
            }
        },
        async |pool, _| {
            let lease = claim(pool).await;
            store::claim_opening(pool, lease).await.unwrap();
            store::finish(pool, lease, &[]).await.unwrap();
        },
    )
    .await;
    let (pool, population) = (&restored.backup.pool, restored.dataset.population_id);
    let found = Rewound { population, witnessed: 4, kept: Some(3), forked: false, set_back: Vec::new() };
    assert_eq!(found.missing(), 1);
    assert_eq!(store::rewound(pool, &restored.blobs).await.unwrap(), [found]);
    let (_, spent, _) = told(pool, population).await;
    assert_eq!(spent, 0.0, "forgotten");

    let recovered = store::recover(pool, &restored.blobs).await.unwrap();
    let [Recovered { lines: 1, ended, released: 0, unknown: false, fault: None, .. }] = &recovered[..] else {
        panic!("{recovered:?}")
    };
    assert_eq!(told(pool, population).await, told(&restored.now.pool, population).await);
    assert_eq!(store::rewound(pool, &restored.blobs).await.unwrap(), []);
    let job = store::find_job(pool, ended[0]).await.unwrap();
    assert!(ended.len() == 1 && job.status == JobStatus::Cancelled && job.charged_at.is_some());
    // The other job had spent nothing and goes on.
    let lease = claim(pool).await;
    assert_ne!(lease.job_id, ended[0]);
    store::claim_opening(pool, lease).await.unwrap();
    store::witness_all(pool, &restored.blobs).await.unwrap();
    assert_eq!(told(pool, population).await.0.len(), 5);
    assert_eq!(store::recover(pool, &restored.blobs).await.unwrap().len(), 1, "a begun job is ended at every restore");
    assert_eq!(store::recover(pool, &restored.blobs).await.unwrap(), [], "and then there is nothing to do");
}

/// Blocks that are charged one by one, a job that came after the backup, a raised grant: all of it comes back, and what
/// lost jobs held is free again.
#[tokio::test]
async fn what_lost_jobs_held_is_handed_back() {
    let restored = restored(
        async |pool, dataset| {
            submit(pool, dataset, blocks(1.0, 0.3)).await.unwrap();
            store::claim_block(pool, claim(pool).await, 0).await.unwrap();
        },
        async |pool, dataset| {
            let lease = sqlx::query_as("select id, lease_epoch from jobs").fetch_one(pool).await.unwrap();
            let lease: (Uuid, i64) = lease;
            store::claim_block(pool, store::Lease { job_id: lease.0, epoch: lease.1 }, 1).await.unwrap();
            store::raise(pool, dataset.population_id, grant(2.0)).await.unwrap();
            submit(pool, dataset, blocks(1.0, 0.3)).await.unwrap();
        },
    )
    .await;
    let (pool, population) = (&restored.backup.pool, restored.dataset.population_id);
    let recovered = store::recover(pool, &restored.blobs).await.unwrap();
    assert_eq!((recovered[0].lines, recovered[0].released, recovered[0].ended.len()), (3, 2, 1), "{recovered:?}");
    let (before, spent, _) = told(&restored.now.pool, population).await;
    let (after, kept, held) = told(pool, population).await;
    assert_eq!((after[..before.len()].to_vec(), kept, held), (before.clone(), spent, 0.0));
    assert_eq!(after[before.len()..], [EntryKind::Release; 2]);
    let epsilon = store::population(pool, population).await.unwrap().account.grant.epsilon.get();
    assert_eq!(epsilon, 2.0, "the raised grant is there");
    assert_eq!(store::rewound(pool, &restored.blobs).await.unwrap(), []);
}

/// A population that the backup does not know has its budget again: its people are still those of whom was told.
#[tokio::test]
async fn a_population_that_the_backup_does_not_know_comes_back() {
    let late = std::cell::OnceCell::new();
    let restored = restored(
        async |_, _| {},
        async |pool, _| {
            let dataset = table(pool, 1.0).await;
            submit(pool, &dataset, whole(1.0, 0.4)).await.unwrap();
            store::claim_opening(pool, claim(pool).await).await.unwrap();
            late.set(dataset.population_id).unwrap();
        },
    )
    .await;
    let (pool, population) = (&restored.backup.pool, *late.get().unwrap());
    let found = store::rewound(pool, &restored.blobs).await.unwrap();
    assert_eq!(found, [Rewound { population, witnessed: 3, kept: None, forked: false, set_back: Vec::new() }]);
    let recovered = store::recover(pool, &restored.blobs).await.unwrap();
    assert!(recovered.len() == 1 && recovered[0].unknown && recovered[0].lines == 3, "{recovered:?}");
    assert_eq!(told(pool, population).await, told(&restored.now.pool, population).await);
}

/// Lines that were written on a rewound ledger cannot be told from those that they stand in place of: nothing is
/// written, and it is said.
#[tokio::test]
async fn a_ledger_that_went_on_differently_is_not_mended_by_guessing() {
    let restored = restored(
        async |_, _| {},
        async |pool, dataset| {
            submit(pool, dataset, whole(1.0, 0.4)).await.unwrap();
            store::claim_opening(pool, claim(pool).await).await.unwrap();
        },
    )
    .await;
    let (pool, population) = (&restored.backup.pool, restored.dataset.population_id);
    for lines in [2, 3, 4] {
        submit(pool, &restored.dataset, whole(1.0, 0.1)).await.unwrap();
        let found = store::rewound(pool, &restored.blobs).await.unwrap();
        assert_eq!(
            found,
            [Rewound { population, witnessed: 3, kept: Some(lines), forked: true, set_back: Vec::new() }]
        );
    }
    let before = lines(pool, population).await;
    let recovered = store::recover(pool, &restored.blobs).await.unwrap();
    assert!(recovered[0].fault.is_some() && recovered[0].lines == 0, "{recovered:?}");
    assert_eq!(lines(pool, population).await, before);
}

/// A witness that was edited, or lost, is no reason to write nonsense.
#[tokio::test]
async fn a_forged_witness_is_refused() {
    let restored = restored(
        async |_, _| {},
        async |pool, dataset| {
            submit(pool, dataset, whole(1.0, 0.4)).await.unwrap();
            store::claim_opening(pool, claim(pool).await).await.unwrap();
        },
    )
    .await;
    let (pool, population) = (&restored.backup.pool, restored.dataset.population_id);
    let page = restored._folder.path().join(format!("blobs/ledger/{population}/000000000002"));
    let sound = fs::read_to_string(&page).unwrap();
    let mut line: Entry = serde_json::from_str(&sound).unwrap();
    line.amount.mu2_pico -= 1;
    fs::write(&page, serde_json::to_vec(&line).unwrap()).unwrap();
    let recovered = store::recover(pool, &restored.blobs).await.unwrap();
    assert!(recovered[0].fault.as_ref().is_some_and(|fault| fault.contains("digest")), "{recovered:?}");
    fs::remove_file(&page).unwrap();
    let recovered = store::recover(pool, &restored.blobs).await.unwrap();
    assert!(recovered[0].fault.as_ref().is_some_and(|fault| fault.contains("not witnessed")), "{recovered:?}");
    assert_eq!(lines(pool, population).await.len(), 1, "nothing was written");
    fs::write(&page, sound).unwrap();
    assert_eq!(store::recover(pool, &restored.blobs).await.unwrap()[0].lines, 2);
}

/// A job that had spent nothing begins anew when its checkpoint went with the time after the backup; one whose
/// checkpoint is there goes on from it.
#[tokio::test]
async fn a_job_whose_checkpoint_is_gone_begins_anew() {
    let restored = restored(
        async |pool, dataset| {
            for _ in 0..2 {
                submit(pool, dataset, whole(1.0, 0.2)).await.unwrap();
            }
        },
        async |_, _| {},
    )
    .await;
    let pool = &restored.backup.pool;
    let there = restored.blobs.put(b"a checkpoint").unwrap().blob.name;
    let gone = format!("{}-{}", "0".repeat(64), "0".repeat(32));
    for name in [&there, &gone] {
        store::set_checkpoint(pool, claim(pool).await, &Blob::plain(name)).await.unwrap();
    }
    assert_eq!(store::recover(pool, &restored.blobs).await.unwrap(), [], "nothing was lost");
    let kept: Vec<Option<String>> =
        sqlx::query_scalar("select checkpoint from jobs order by checkpoint nulls last").fetch_all(pool).await.unwrap();
    assert_eq!(kept, [Some(there), None]);
}

/// A plan that is charged as a whole repeats blocks without a line of the ledger. A job that a restore has set back by
/// some of them is found, charges nothing more, and is ended: its spares may be used up for all that is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_set_back_by_a_block_does_not_go_on() {
    let (mut now, folder) = (fresh_database().await, scratch());
    let blobs = blobs_in(folder.path());
    let dataset = table(&now.pool, 1.0).await;
    let job = submit(&now.pool, &dataset, whole(1.0, 0.2)).await.unwrap().job_id;
    let block = async |pool: &PgPool, held: store::Lease, number| {
        let held = (held, LeaseTerms::default(), Instant::now());
        let tether = Tether::new(pool.clone(), blobs.clone(), held, None, CancellationToken::new());
        tokio::task::spawn_blocking(move || tether.claim_block(number)).await.unwrap()
    };
    let lease = claim(&now.pool).await;
    block(&now.pool, lease, 0).await.unwrap();
    let backup = now.copy().await;
    block(&now.pool, lease, 1).await.unwrap();
    assert_eq!(store::rewound(&now.pool, &blobs).await.unwrap(), []);

    let (pool, blobs) = (&backup.pool, blobs_in(folder.path()));
    let found = store::rewound(pool, &blobs).await.unwrap();
    assert_eq!((found[0].missing(), &found[0].set_back[..], found.len()), (0, &[job][..], 1));
    let refused = block(pool, lease, 1).await;
    assert!(matches!(refused, Err(Halt::Host(_))), "{refused:?}");
    assert_eq!(store::recover(pool, &blobs).await.unwrap()[0].ended, [job]);
    assert_eq!(store::rewound(pool, &blobs).await.unwrap(), []);
    let shares = store::population(pool, dataset.population_id).await.unwrap().account.shares();
    assert!(shares.spent > 0.1 && shares.reserved == 0.0, "{shares:?}");
}
