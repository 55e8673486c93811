//! The ledger under races, on random histories, and against tampering.

use dp2stage::privacy::{Amount, Delta, Epsilon};
use dp2stage::store::{self, Idempotency, NewDataset, NewJob, StoreError, Version};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::fresh_database;

pub fn amount(epsilon: f64) -> Amount {
    Amount::charge(Epsilon::new(epsilon).unwrap(), Delta::new(epsilon * 1e-6).unwrap())
}

/// A dataset with rows and a grant of this epsilon (and as much delta as goes with it); a job on it.
pub async fn job_on(pool: &PgPool, grant: f64, epsilon: f64) -> NewJob {
    let new = NewDataset {
        name: Uuid::now_v7().to_string(),
        schema: json!({}),
        rows_public: 100,
        holdout: 0.1,
        grant: amount(grant),
    };
    let dataset = store::create_dataset(pool, &new).await.unwrap();
    let created_at = time::OffsetDateTime::UNIX_EPOCH;
    let version = Version { version: 0, rows: 1, bytes: 1, sha256: "00".into(), blob: "00".into(), created_at };
    store::add_version(pool, dataset.id, &version).await.unwrap();
    NewJob {
        dataset_id: dataset.id,
        population_id: dataset.population_id,
        request: json!({}),
        plan: json!({}),
        charge: amount(epsilon),
        blocks_allowed: 3,
    }
}

/// Two submissions for the last of a budget: one wins, every time.
#[tokio::test]
async fn the_last_of_a_budget_is_spent_once() {
    let database = fresh_database().await;
    for _ in 0..60 {
        let job = job_on(&database.pool, 0.15, 0.1).await;
        let race = (0..4).map(|_| store::submit(&database.pool, &job, None));
        let results = futures_util::future::join_all(race).await;
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
        for lost in results.into_iter().filter_map(Result::err) {
            let StoreError::BudgetExhausted(refusal) = lost else { panic!("{lost}") };
            assert!((refusal.largest_next_epsilon - 0.05).abs() < 1e-9);
        }
        let budget = store::budget(&database.pool, job.population_id).await.unwrap();
        assert_eq!(budget.account.reserved, amount(0.1));
        assert_eq!(budget.entries.len(), 2);
    }
}

#[tokio::test]
async fn one_key_makes_one_job() {
    let database = fresh_database().await;
    let job = job_on(&database.pool, 10.0, 0.1).await;
    let once = Some(Idempotency { key: "k", body: "b" });
    let race = (0..8).map(|_| store::submit(&database.pool, &job, once));
    let results: Vec<_> = futures_util::future::join_all(race).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|r| r.fresh).count(), 1);
    assert!(results.iter().all(|r| r.job_id == results[0].job_id));
    let other = store::submit(&database.pool, &job, Some(Idempotency { key: "k", body: "c" })).await;
    assert!(matches!(other, Err(StoreError::IdempotencyMismatch)));
}

/// The ledger cannot be edited, spending cannot go down, budgets cannot be deleted.
#[tokio::test]
async fn the_ledger_is_append_only() {
    let database = fresh_database().await;
    let job = job_on(&database.pool, 1.0, 0.5).await;
    let id = store::submit(&database.pool, &job, None).await.unwrap().job_id;
    let lease = store::claim(&database.pool, "w", std::time::Duration::from_secs(60)).await.unwrap().unwrap().lease;
    store::claim_block(&database.pool, lease, 0, &json!({})).await.unwrap();
    for tampering in [
        "update ledger_entries set epsilon_pico = 1",
        "delete from ledger_entries",
        "truncate ledger_entries",
        "delete from populations",
        "update populations set spent_epsilon_pico = 0",
        "update populations set spent_epsilon_pico = spent_epsilon_pico + granted_epsilon_pico",
        "update jobs set charged_at = null",
        "update jobs set blocks_claimed = 0",
        "update jobs set status = 'queued', lease_expires_at = null, lease_epoch = 0",
        "update private_blocks set block = 7",
        "delete from private_blocks",
    ] {
        let refused = sqlx::query(tampering).execute(&database.pool).await;
        assert!(refused.is_err(), "{tampering}");
    }
    store::fail(&database.pool, lease, "worker_error").await.unwrap();
    let budget = store::budget(&database.pool, job.population_id).await.unwrap();
    assert_eq!(budget.account.spent, amount(0.5), "nothing is given back after the charge");
    let job = store::find_job(&database.pool, id).await.unwrap();
    assert_eq!(job.status, store::JobStatus::Failed);
}

/// Whatever happens to jobs in whatever order, the totals are the fold of the entries, nothing
/// exceeds the grant, and what is spent never falls.
#[tokio::test]
async fn random_histories_are_conserved() {
    use rand::{Rng, SeedableRng};
    let database = fresh_database().await;
    let pool = &database.pool;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(rand::random());
    let ttl = std::time::Duration::from_secs(600);
    for _ in 0..20 {
        let base = job_on(pool, 2.0, 0.1).await;
        let (mut leases, mut jobs, mut spent_before) = (Vec::new(), Vec::new(), 0);
        for _ in 0..40 {
            match rng.random_range(0..7) {
                0 | 1 => {
                    let job = NewJob { charge: amount(rng.random_range(0.01..0.6)), ..base.clone() };
                    jobs.extend(store::submit(pool, &job, None).await.ok().map(|s| s.job_id));
                }
                2 => leases.extend(store::claim(pool, "w", ttl).await.unwrap().map(|c| c.lease)),
                3 if !jobs.is_empty() => {
                    let _ = store::cancel(pool, jobs[rng.random_range(0..jobs.len())]).await;
                }
                _ if leases.is_empty() => {}
                4 => {
                    let lease = leases[rng.random_range(0..leases.len())];
                    let _ = store::claim_block(pool, lease, 0, &json!({})).await;
                }
                5 => {
                    let lease = leases[rng.random_range(0..leases.len())];
                    let _ = store::hand_back(pool, lease, None).await;
                }
                _ => {
                    let lease = leases.swap_remove(rng.random_range(0..leases.len()));
                    let _ = match rng.random_range(0..3) {
                        0 => store::finish(pool, lease, &[]).await,
                        1 => store::fail(pool, lease, "worker_error").await,
                        _ => store::finish_cancelled(pool, lease).await,
                    };
                }
            }
            let budget = store::budget(pool, base.population_id).await.unwrap();
            let fold = |kinds: &[(store::EntryKind, i64)]| -> i64 {
                let of =
                    |e: &store::Entry| kinds.iter().find(|k| k.0 == e.kind).map_or(0, |k| k.1) * e.amount.epsilon_pico;
                budget.entries.iter().map(of).sum()
            };
            use store::EntryKind::{Charge, Grant, Release, Reservation};
            let account = budget.account;
            assert_eq!(account.granted.epsilon_pico, fold(&[(Grant, 1)]));
            assert_eq!(account.spent.epsilon_pico, fold(&[(Charge, 1)]));
            assert_eq!(account.reserved.epsilon_pico, fold(&[(Reservation, 1), (Charge, -1), (Release, -1)]));
            assert!(account.spent.epsilon_pico + account.reserved.epsilon_pico <= account.granted.epsilon_pico);
            assert!(account.spent.epsilon_pico >= spent_before);
            spent_before = account.spent.epsilon_pico;
        }
        // Jobs of one history must not be claimed in the next.
        for lease in leases {
            let _ = store::finish_cancelled(pool, lease).await;
        }
        for job in jobs {
            let _ = store::cancel(pool, job).await;
        }
        while let Some(left) = store::claim(pool, "w", ttl).await.unwrap() {
            store::finish_cancelled(pool, left.lease).await.unwrap();
        }
    }
}
