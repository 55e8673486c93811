//! The ledger under races, on random histories, and against tampering.

use std::time::Duration;

use dp2stage::privacy::{Account, DpEvent, Entry, EntryKind, Grant, NoiseMultiplier, UnitKind, Work, price};
use dp2stage::store::{
    self, Allowance, Blob, Idempotency, NewBudget, NewDataset, NewJob, QueueRoom, Scope, StoreError, Submission,
    Version,
};
use rand::{Rng, SeedableRng};
use serde_json::json;
use uuid::Uuid;

use crate::support::{figure, fresh_database, repeats};

const LONG: Duration = Duration::from_secs(600);

pub fn grant(epsilon: f64) -> Grant {
    Grant { epsilon: epsilon.try_into().unwrap(), delta: 1e-6.try_into().unwrap() }
}

/// A dataset with rows and a budget of this epsilon.
pub async fn table(scope: &impl Scope, epsilon: f64) -> store::Dataset {
    let budget = NewBudget { grant: grant(epsilon), unit: UnitKind::Row, units_public: 100 };
    declare(scope, &Uuid::now_v7().to_string(), Allowance::Granted(budget)).await.unwrap()
}

/// A name that a blob may have.
pub fn named() -> String {
    format!("{}-{}", "0".repeat(64), Uuid::now_v7().simple())
}

async fn declare(scope: &impl Scope, name: &str, allowance: Allowance) -> Result<store::Dataset, StoreError> {
    let new = NewDataset {
        name: name.into(),
        schema: json!({}),
        public: false,
        rows_public: 100,
        persons: None,
        holdout: 0.1,
        keep: store::Keep::default(),
        allowance,
    };
    let dataset = store::create_dataset(scope, &new).await?;
    let created_at = time::OffsetDateTime::UNIX_EPOCH;
    let blob = Blob::plain(named());
    let version = Version { version: 0, rows: 1, bytes: 1, sha256: "00".into(), blob, created_at };
    store::add_version(scope, dataset.id, &version).await.unwrap();
    Ok(dataset)
}

fn gaussian(mu2: f64) -> DpEvent {
    DpEvent::gaussian(NoiseMultiplier::new(1.0 / mu2.sqrt()).unwrap())
}

/// Two blocks and a spare one, charged together because something is measured before them; all
/// together about this share of a budget of that epsilon.
pub fn whole(epsilon: f64, share: f64) -> Work {
    let part = share * grant(epsilon).cap().mu2() / 4.0;
    Work { opening: Some(gaussian(part)), block: gaussian(part), blocks: 2, spare_blocks: 1 }
}

/// Two blocks and a spare one, charged one by one.
pub fn blocks(epsilon: f64, share: f64) -> Work {
    let part = share * grant(epsilon).cap().mu2() / 3.0;
    Work { opening: None, block: gaussian(part), blocks: 2, spare_blocks: 1 }
}

/// A measurement and nothing after it.
pub fn measured(epsilon: f64, share: f64) -> Work {
    Work::measurement(gaussian(share * grant(epsilon).cap().mu2()))
}

/// A job on a dataset, priced on the account as it is now.
pub async fn job_on(scope: &impl Scope, dataset: &store::Dataset, work: Work) -> NewJob {
    let account = store::population(scope, dataset.population_id).await.unwrap().account;
    NewJob {
        dataset_id: dataset.id,
        population_id: dataset.population_id,
        request: json!({}),
        plan: json!({}),
        planned: grant(0.1),
        public_table: None,
        facts: json!({}),
        price: price(&account, &work).unwrap(),
        priced_on: account,
        priority: 0,
        room: QueueRoom::ENDLESS,
        work,
    }
}

/// Submits as the API does: priced again while the budget changes under the price.
pub async fn submit(scope: &impl Scope, dataset: &store::Dataset, work: Work) -> Result<Submission, StoreError> {
    loop {
        let job = job_on(scope, dataset, work.clone()).await;
        match store::submit(scope, &job, None).await {
            Err(StoreError::Stale) => {}
            done => return done,
        }
    }
}

pub async fn account(scope: &impl Scope, dataset: &store::Dataset) -> Account {
    store::population(scope, dataset.population_id).await.unwrap().account
}

/// Submissions at the same moment for the last of a budget: one wins, every time.
#[tokio::test]
async fn the_last_of_a_budget_is_spent_once() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let races = repeats(60, 10_000);
    for _ in 0..races {
        let dataset = table(pool, 1.0).await;
        submit(pool, &dataset, whole(1.0, 0.4)).await.unwrap();
        let race = (0..3).map(|_| submit(pool, &dataset, whole(1.0, 0.5)));
        let results = futures_util::future::join_all(race).await;
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
        for lost in results.into_iter().filter_map(Result::err) {
            let StoreError::BudgetExhausted(refusal) = lost else { panic!("{lost}") };
            assert!((refusal.requested - 0.5).abs() < 1e-6 && (refusal.shares.remaining - 0.1).abs() < 1e-6);
        }
        let budget = store::budget(pool, dataset.population_id).await.unwrap();
        assert_eq!(budget.verify(true).unwrap().account, budget.population.account);
        assert_eq!(budget.book.entries.len(), 3);
    }
    figure("P1", (races, "races for the last of a budget"), &[(0, "overspent"), (0, "without a winner or with two")]);
}

/// A price for an untouched budget is not admitted to one that was touched meanwhile.
#[tokio::test]
async fn a_price_that_is_out_of_date_is_refused() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    let job = job_on(pool, &dataset, whole(1.0, 0.3)).await;
    let exact = dp2stage::privacy::Price { rule: dp2stage::privacy::Rule::Residual, ..job.price };
    let first = NewJob { price: exact, ..job.clone() };
    store::submit(pool, &first, None).await.unwrap();
    assert!(matches!(store::submit(pool, &first, None).await, Err(StoreError::Stale)));
    // Leaks get smaller as a budget fills: a price with the larger leak would be too cheap.
    let earlier = Account { cap: first.priced_on.cap.times(2), ..first.priced_on };
    let stale = NewJob { priced_on: earlier, ..job };
    assert!(matches!(store::submit(pool, &stale, None).await, Err(StoreError::Stale)));
}

#[tokio::test]
async fn one_key_makes_one_job() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 10.0).await;
    submit(pool, &dataset, whole(10.0, 0.01)).await.unwrap();
    let job = job_on(pool, &dataset, whole(10.0, 0.01)).await;
    let once = Some(Idempotency { key: "k", body: "b" });
    let race = (0..8).map(|_| store::submit(pool, &job, once));
    let results: Vec<_> = futures_util::future::join_all(race).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|r| r.fresh).count(), 1);
    assert!(results.iter().all(|r| r.job_id == results[0].job_id));
    let other = store::submit(pool, &job, Some(Idempotency { key: "k", body: "c" })).await;
    assert!(matches!(other, Err(StoreError::IdempotencyMismatch)));
}

/// The ledger cannot be edited, spending cannot go down, budgets cannot be deleted.
#[tokio::test]
async fn the_ledger_is_append_only() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    let id = submit(pool, &dataset, whole(1.0, 0.5)).await.unwrap().job_id;
    let lease = store::claim(pool, "w", LONG).await.unwrap().unwrap().lease;
    store::claim_block(pool, lease, 0).await.unwrap();
    for tampering in [
        "update ledger_entries set mu2_pico = 1",
        "delete from ledger_entries",
        "truncate ledger_entries",
        "delete from populations",
        "update populations set spent_mu2_pico = 0",
        "update populations set spent_mu2_pico = spent_mu2_pico + cap_mu2_pico",
        "update populations set delta = 1e-5",
        "update populations set epsilon = 0.5",
        "update populations set unit = 'person'",
        "update populations set entries = 0",
        "update jobs set charged_at = null",
        "update jobs set blocks_claimed = 0",
        "update jobs set status = 'queued', lease_expires_at = null, lease_epoch = 0",
        "update private_blocks set block = 7",
        "delete from private_blocks",
    ] {
        let refused = sqlx::query(tampering).execute(pool).await;
        assert!(refused.is_err(), "{tampering}");
    }
    let spent = account(pool, &dataset).await.spent;
    store::fail(pool, lease, "worker_error").await.unwrap();
    assert_eq!(account(pool, &dataset).await.spent, spent, "nothing is given back after the charge");
    assert!((spent.share_of(grant(1.0).cap()) - 0.5).abs() < 1e-6);
    assert_eq!(store::find_job(pool, id).await.unwrap().status, store::JobStatus::Failed);
}

/// Blocks that are priced one by one are charged one by one; what was never begun is handed back.
#[tokio::test]
async fn blocks_are_charged_one_by_one_where_that_is_no_dearer() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    submit(pool, &dataset, blocks(1.0, 0.6)).await.unwrap();
    let lease = store::claim(pool, "w", LONG).await.unwrap().unwrap().lease;
    let share = async || account(pool, &dataset).await.shares();
    assert!((share().await.reserved - 0.6).abs() < 1e-6);
    for (block, spent) in [(0, 0.2), (0, 0.2), (1, 0.4)] {
        store::claim_block(pool, lease, block).await.unwrap();
        assert!((share().await.spent - spent).abs() < 1e-6);
    }
    store::finish(pool, lease, &[]).await.unwrap();
    let shares = share().await;
    assert!((shares.spent - 0.4).abs() < 1e-6 && shares.reserved == 0.0, "the spare block is handed back: {shares:?}");
    let budget = store::budget(pool, dataset.population_id).await.unwrap();
    let findings = budget.verify(true).unwrap();
    assert_eq!(findings.events, [blocks(1.0, 0.6).block.self_composed(2)]);
    let kinds: Vec<_> = budget.book.entries.iter().map(|e| (e.kind, e.block)).collect();
    use EntryKind::{Charge, Grant, Release, Reservation};
    assert_eq!(kinds, [(Grant, 0), (Reservation, 0), (Charge, 1), (Charge, 2), (Release, 0)]);
}

/// A cap that was raised holds for what comes after; delta stays.
#[tokio::test]
async fn a_grant_is_raised_in_epsilon_alone() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    submit(pool, &dataset, whole(1.0, 0.9)).await.unwrap();
    submit(pool, &dataset, whole(1.0, 0.5)).await.unwrap_err();
    for (epsilon, delta) in [(0.5, 1e-6), (2.0, 1e-5), (2.0, 1e-7)] {
        let grant = Grant { epsilon: epsilon.try_into().unwrap(), delta: delta.try_into().unwrap() };
        let refused = store::raise(pool, dataset.population_id, grant).await;
        assert!(matches!(refused, Err(StoreError::GrantLowered)), "{epsilon} {delta}");
    }
    store::raise(pool, dataset.population_id, grant(2.0)).await.unwrap();
    submit(pool, &dataset, whole(1.0, 0.5)).await.unwrap();
    let budget = store::budget(pool, dataset.population_id).await.unwrap();
    assert_eq!(budget.verify(true).unwrap().account.grant, grant(2.0));
}

/// The names of two tables of the same people, and of one that was deleted and declared anew, spend
/// one budget.
#[tokio::test]
async fn whatever_happens_to_datasets_no_budget_grows() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(rand::random());
    for round in 0..repeats(4, 200) {
        let name = |i: usize| format!("round {round} table {i}");
        let budget = NewBudget { grant: grant(1.0), unit: UnitKind::Row, units_public: 100 };
        let first = declare(pool, &name(0), Allowance::Granted(budget)).await.unwrap();
        let population = first.population_id;
        let mut left = account(pool, &first).await.remaining().mu2_pico;
        let mut there = [Some(first), None, None];
        for _ in 0..30 {
            let i = rng.random_range(0..there.len());
            match (there[i].take(), rng.random_range(0..3)) {
                (None, _) => {
                    // A name that was never used would begin a budget of its own; it is declared as shared.
                    let used = sqlx::query_scalar::<_, bool>("select exists (select from datasets where name = $1)");
                    let used = used.bind(name(i)).fetch_one(pool).await.unwrap();
                    let allowance = match used && rng.random() {
                        true => Allowance::Granted(budget),
                        false => Allowance::Shared(population, UnitKind::Row),
                    };
                    let again = declare(pool, &name(i), allowance).await.unwrap();
                    assert_eq!(again.population_id, population);
                    there[i] = Some(again);
                }
                (Some(dataset), 0) => {
                    let gone = store::delete_dataset(pool, dataset.id).await.unwrap();
                    assert!(!gone.is_empty(), "the rows are destroyed");
                    let found = store::find_dataset(pool, &name(i)).await;
                    assert!(matches!(found, Err(StoreError::NotFound(_))));
                }
                (Some(dataset), _) => {
                    if submit(pool, &dataset, whole(1.0, rng.random_range(0.01..0.2))).await.is_ok() {
                        let lease = store::claim(pool, "w", LONG).await.unwrap().unwrap().lease;
                        let busy = store::delete_dataset(pool, dataset.id).await;
                        assert!(matches!(busy, Err(StoreError::DatasetInUse)));
                        store::claim_block(pool, lease, 0).await.unwrap();
                        store::finish(pool, lease, &[]).await.unwrap();
                    }
                    there[i] = Some(dataset);
                }
            }
            let now = store::population(pool, population).await.unwrap().account.remaining().mu2_pico;
            assert!(now <= left);
            left = now;
        }
        store::budget(pool, population).await.unwrap().verify(true).unwrap();
    }
    let other = NewBudget { grant: grant(2.0), unit: UnitKind::Row, units_public: 100 };
    let gone = table(pool, 1.0).await;
    store::delete_dataset(pool, gone.id).await.unwrap();
    for allowance in [Allowance::Granted(other), Allowance::Shared(gone.population_id, UnitKind::Person)] {
        let refused = declare(pool, &gone.name, allowance).await;
        assert!(matches!(refused, Err(StoreError::PopulationMismatch(_))));
    }
}

/// Whatever happens to jobs in whatever order, the totals are the fold of the entries, nothing
/// exceeds the cap, what is spent never falls, and every price can be computed again.
#[tokio::test]
async fn random_histories_are_conserved() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(rand::random());
    for _ in 0..repeats(20, 10_000) {
        let dataset = table(pool, 2.0).await;
        let (mut leases, mut jobs, mut spent_before) = (Vec::new(), Vec::new(), 0);
        for _ in 0..40 {
            match rng.random_range(0..9) {
                0 | 1 => {
                    let kinds = [whole, blocks, measured];
                    let work = kinds[rng.random_range(0..kinds.len())](2.0, rng.random_range(0.01..0.4));
                    jobs.extend(submit(pool, &dataset, work).await.ok().map(|s| s.job_id));
                }
                2 => leases.extend(store::claim(pool, "w", LONG).await.unwrap().map(|c| c.lease)),
                3 if !jobs.is_empty() => {
                    let _ = store::cancel(pool, jobs[rng.random_range(0..jobs.len())]).await;
                }
                _ if leases.is_empty() => {}
                4 | 5 => {
                    let lease = leases[rng.random_range(0..leases.len())];
                    let _ = store::claim_block(pool, lease, rng.random_range(0..2)).await;
                }
                6 => {
                    let lease = leases[rng.random_range(0..leases.len())];
                    let _ = store::hand_back(pool, lease, None).await;
                }
                7 => {
                    let lease = leases[rng.random_range(0..leases.len())];
                    let _ = store::claim_opening(pool, lease).await;
                }
                _ => {
                    let lease = leases.swap_remove(rng.random_range(0..leases.len()));
                    let ended = match rng.random_range(0..3) {
                        0 => store::finish(pool, lease, &[]).await,
                        1 => store::fail(pool, lease, "worker_error").await,
                        _ => store::finish_cancelled(pool, lease).await,
                    };
                    // Nothing is published without a charge: the job runs on.
                    if let Err(StoreError::Unreadable(_)) = ended {
                        leases.push(lease);
                    }
                }
            }
            let budget = store::budget(pool, dataset.population_id).await.unwrap();
            let account = budget.verify(false).unwrap().account;
            assert_eq!(fold(&budget.book.entries), (account.spent.mu2_pico, account.reserved.mu2_pico));
            assert!(account.used().fits(account.cap));
            assert!(account.spent.mu2_pico >= spent_before);
            spent_before = account.spent.mu2_pico;
        }
        store::budget(pool, dataset.population_id).await.unwrap().verify(true).unwrap();
        // Jobs of one history must not be claimed in the next.
        for lease in leases {
            let _ = store::finish_cancelled(pool, lease).await;
        }
        for job in jobs {
            let _ = store::cancel(pool, job).await;
        }
        while let Some(left) = store::claim(pool, "w", LONG).await.unwrap() {
            store::finish_cancelled(pool, left.lease).await.unwrap();
        }
        assert_eq!(account(pool, &dataset).await.reserved.mu2_pico, 0, "final jobs hold nothing");
    }
}

/// Spent and reserved, added up in the plainest way.
fn fold(entries: &[Entry]) -> (i64, i64) {
    let sum = |kinds: &[(EntryKind, i64)]| -> i64 {
        let of = |e: &Entry| kinds.iter().find(|k| k.0 == e.kind).map_or(0, |k| k.1) * e.amount.mu2_pico;
        entries.iter().map(of).sum()
    };
    use EntryKind::{Charge, Release, Reservation};
    (sum(&[(Charge, 1)]), sum(&[(Reservation, 1), (Charge, -1), (Release, -1)]))
}
