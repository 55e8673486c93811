//! R9: whatever happens to jobs in whatever order, a real PostgreSQL says what a plain model of the queue says: states,
//! epochs, blocks, charges, and at the end a ledger that adds up.

use std::collections::BTreeSet;

use dp2stage::privacy::{Account, Amount, EntryKind, Price};
use dp2stage::store::{self, Blob, Dataset, JobStatus, Lease, StoreError};
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};
use sqlx::PgPool;
use uuid::Uuid;

use super::budgets::{blocks, grant, job_on, measured, table, whole};
use crate::support::queue::{LONG, claim, finish, hand_back, run_out, wait_is_over};
use crate::support::{figure, fresh_database, repeats};

/// A job as the model has it.
struct Job {
    id: Uuid,
    status: JobStatus,
    epoch: i64,
    /// Running, and the lease ran out.
    expired: bool,
    /// Queued, and not to be claimed yet.
    delayed: bool,
    cancel_requested: bool,
    price: Price,
    charged: bool,
    claimed: i32,
    allowed: i32,
    /// What was counted, as (epoch, block).
    counted: BTreeSet<(i64, i32)>,
    checkpoint: Option<String>,
    published: bool,
}

/// The model: the queue and one budget.
struct Model {
    account: Account,
    jobs: Vec<Job>,
    /// Every lease that was ever given.
    leases: Vec<Lease>,
}

/// What is wrong with a lease, or with what is asked under it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    Lost,
    Cancelled,
    Exhausted,
    Unreadable,
    Conflict,
}

fn refusal(result: Result<(), StoreError>) -> Result<(), Refusal> {
    result.map_err(|error| match error {
        StoreError::LeaseLost => Refusal::Lost,
        StoreError::Cancelled => Refusal::Cancelled,
        StoreError::ReservationExhausted => Refusal::Exhausted,
        StoreError::Unreadable(_) => Refusal::Unreadable,
        StoreError::StateConflict(_) => Refusal::Conflict,
        other => panic!("{other}"),
    })
}

impl Model {
    fn charge(&mut self, amount: Amount) {
        self.account = self.account.after(EntryKind::Charge, amount).expect("a charge within its reservation");
    }

    /// The job that a lease holds, if it does.
    fn held(&mut self, lease: Lease) -> Result<&mut Job, Refusal> {
        let holds = |job: &&mut Job| {
            job.id == lease.job_id && job.epoch == lease.epoch && job.status == JobStatus::Running && !job.expired
        };
        self.jobs.iter_mut().find(holds).ok_or(Refusal::Lost)
    }

    fn opening(&mut self, lease: Lease) -> Result<(), Refusal> {
        let job = self.held(lease)?;
        if job.charged {
            return Ok(());
        }
        if job.cancel_requested {
            return Err(Refusal::Cancelled);
        }
        if job.price.block.is_some() {
            return Err(Refusal::Unreadable);
        }
        job.charged = true;
        let amount = job.price.whole;
        self.charge(amount);
        Ok(())
    }

    fn block(&mut self, lease: Lease, block: i32) -> Result<(), Refusal> {
        let job = self.held(lease)?;
        if job.counted.contains(&(lease.epoch, block)) {
            return Ok(());
        }
        if job.claimed >= job.allowed {
            return Err(Refusal::Exhausted);
        }
        if job.cancel_requested && !job.charged {
            return Err(Refusal::Cancelled);
        }
        let amount = match job.price.block {
            Some(each) => each,
            None if job.charged => Amount::default(),
            None => job.price.whole,
        };
        job.counted.insert((lease.epoch, block));
        (job.claimed, job.charged) = (job.claimed + 1, true);
        self.charge(amount);
        Ok(())
    }

    fn end(&mut self, lease: Lease, status: JobStatus) -> Result<(), Refusal> {
        let job = self.held(lease)?;
        if status == JobStatus::Succeeded && !job.charged {
            return Err(Refusal::Unreadable);
        }
        (job.status, job.checkpoint) = (status, None);
        job.published = status == JobStatus::Succeeded;
        let rest = job.rest();
        self.release(rest);
        Ok(())
    }

    fn release(&mut self, rest: Amount) {
        self.account = self.account.after(EntryKind::Release, rest).expect("a release of what is held");
    }

    /// What whoever claims does first: lost jobs go back, those that were to stop end.
    fn rescue(&mut self) {
        let mut held = Vec::new();
        for job in self.jobs.iter_mut().filter(|job| job.status == JobStatus::Running && job.expired) {
            (job.status, job.expired, job.delayed) = (JobStatus::Queued, false, false);
            if job.cancel_requested {
                (job.status, job.checkpoint) = (JobStatus::Cancelled, None);
                held.push(job.rest());
            }
        }
        held.into_iter().for_each(|rest| self.release(rest));
    }

    fn cancel(&mut self, index: usize) -> Result<(), Refusal> {
        let job = &mut self.jobs[index];
        match job.status {
            JobStatus::Queued => {
                (job.status, job.cancel_requested) = (JobStatus::Cancelled, true);
                let rest = job.rest();
                self.release(rest);
            }
            JobStatus::Running => job.cancel_requested = true,
            JobStatus::Cancelled => {}
            JobStatus::Succeeded | JobStatus::Failed => return Err(Refusal::Conflict),
        }
        Ok(())
    }
}

impl Job {
    /// What is held and not charged.
    fn rest(&self) -> Amount {
        match self.price.block {
            None if self.charged => Amount::default(),
            None => self.price.whole,
            Some(each) => self.price.whole.minus(each.times(self.claimed as u32)).expect("charges within the price"),
        }
    }

    fn claimable(&self) -> bool {
        self.status == JobStatus::Queued && !self.delayed
    }
}

/// One operation, and two numbers that say on what.
type Step = (u8, u8, u8);

async fn step(pool: &PgPool, dataset: &Dataset, model: &mut Model, (what, a, b): Step) {
    // Mostly jobs that are not over and leases that hold, and sometimes any.
    let pick = |some: Vec<usize>, all: usize| match some.len() {
        0 => (all > 0).then(|| usize::from(a) % all),
        n if a < 200 => Some(some[usize::from(a) % n]),
        _ => Some(usize::from(a) % all),
    };
    let job = |model: &Model| {
        let open = (0..model.jobs.len()).filter(|&at| !model.jobs[at].status.is_final());
        pick(open.collect(), model.jobs.len())
    };
    let lease = |model: &mut Model| {
        let leases = model.leases.clone();
        let good = (0..leases.len()).filter(|&at| model.held(leases[at]).is_ok());
        pick(good.collect(), leases.len()).map(|at| leases[at])
    };
    match (what % 24, lease(model), job(model)) {
        (0..=2, ..) => submit(pool, dataset, model, (a, b)).await,
        (3..=6, ..) => take(pool, model).await,
        (7, Some(lease), _) => {
            let renewed = store::renew(pool, lease, LONG).await;
            let expected = model.held(lease).map(|job| job.cancel_requested);
            assert_eq!(renewed.as_ref().ok(), expected.as_ref().ok(), "renew {lease:?}: {renewed:?}");
        }
        (8 | 9, Some(lease), _) => {
            assert_eq!(refusal(store::claim_opening(pool, lease).await), model.opening(lease), "opening {lease:?}");
        }
        (10..=13, Some(lease), _) => {
            let block = i32::from(b % 3);
            let told = refusal(store::claim_block(pool, lease, block).await);
            assert_eq!(told, model.block(lease, block), "block {block} {lease:?}");
        }
        (14, Some(lease), _) => {
            let name = format!("checkpoint {b}");
            let told = refusal(store::set_checkpoint(pool, lease, &Blob::plain(&name)).await);
            let expected = model.held(lease).map(|job| job.checkpoint = Some(name));
            assert_eq!(told, expected, "checkpoint {lease:?}");
        }
        (15 | 16, Some(lease), _) => {
            let told = refusal(hand_back(pool, lease, b % 2 == 0).await);
            let expected = model.held(lease).map(|job| (job.status, job.delayed) = (JobStatus::Queued, b % 2 == 0));
            assert_eq!(told, expected, "hand back {lease:?}");
        }
        (17 | 18, Some(lease), _) => {
            let (told, status) = match b % 5 {
                0 => (store::fail(pool, lease, "worker_error").await, JobStatus::Failed),
                1 => (store::finish_cancelled(pool, lease).await, JobStatus::Cancelled),
                _ => (finish(pool, lease, "results").await, JobStatus::Succeeded),
            };
            assert_eq!(refusal(told), model.end(lease, status), "end {lease:?} as {status:?}");
        }
        (19, _, Some(index)) => {
            let told = refusal(store::cancel(pool, model.jobs[index].id).await);
            assert_eq!(told, model.cancel(index), "cancel");
        }
        (20 | 21, _, Some(index)) => {
            run_out(pool, model.jobs[index].id).await;
            model.jobs[index].expired |= model.jobs[index].status == JobStatus::Running;
        }
        (22, ..) => {
            wait_is_over(pool).await;
            model.jobs.iter_mut().for_each(|job| job.delayed = false);
        }
        (23, ..) => raise(pool, dataset, model, b).await,
        _ => {}
    }
}

async fn submit(pool: &PgPool, dataset: &Dataset, model: &mut Model, (a, b): (u8, u8)) {
    let work = [whole, blocks, measured][usize::from(a % 3)](2.0, f64::from(b) / 512.0 + 0.01);
    let new = job_on(pool, dataset, work.clone()).await;
    let (admitted, told) = (model.account.admit(new.price.whole).is_ok(), store::submit(pool, &new, None).await);
    assert_eq!(admitted, told.is_ok(), "admission: {told:?}");
    let Ok(submission) = told else { return };
    model.account = model.account.after(EntryKind::Reservation, new.price.whole).expect("a reservation");
    model.jobs.push(Job {
        id: submission.job_id,
        status: JobStatus::Queued,
        epoch: 0,
        expired: false,
        delayed: false,
        cancel_requested: false,
        price: new.price,
        charged: false,
        claimed: 0,
        allowed: work.blocks_charged() as i32,
        counted: BTreeSet::new(),
        checkpoint: None,
        published: false,
    });
}

/// Which of several jobs is next is not the model's business; that it may be claimed is.
async fn take(pool: &PgPool, model: &mut Model) {
    model.rescue();
    let Some(claimed) = claim(pool, "w").await.unwrap() else {
        assert!(!model.jobs.iter().any(Job::claimable), "a job that nobody claims");
        return;
    };
    let job = model.jobs.iter_mut().find(|job| job.id == claimed.lease.job_id).expect("a job of this history");
    assert!(job.claimable(), "claimed while it was not to be");
    assert_eq!((claimed.lease.epoch, claimed.cancel_requested), (job.epoch + 1, job.cancel_requested));
    assert_eq!(claimed.checkpoint.map(|blob| blob.name), job.checkpoint);
    (job.status, job.epoch, job.expired) = (JobStatus::Running, job.epoch + 1, false);
    model.leases.push(claimed.lease);
}

async fn raise(pool: &PgPool, dataset: &Dataset, model: &mut Model, b: u8) {
    let before = model.account;
    let wanted = grant(before.grant.epsilon.get() + [-0.5, 0.0, 0.25][usize::from(b % 3)]);
    match store::raise(pool, dataset.population_id, wanted).await {
        Err(StoreError::GrantLowered) => assert!(wanted.epsilon < before.grant.epsilon),
        told => {
            told.unwrap();
            assert!(wanted.epsilon >= before.grant.epsilon);
            let cap = store::population(pool, dataset.population_id).await.unwrap().account.cap;
            assert!(before.cap.fits(cap) && cap.fits(before.cap.most(wanted.cap())), "a cap beyond its grant");
            model.account = Account { grant: wanted, cap, ..before };
        }
    }
}

type Row = (Uuid, JobStatus, i64, i32, bool, bool, Option<String>, bool);

/// The database says what the model says.
async fn compare(pool: &PgPool, dataset: &Dataset, model: &Model) {
    let rows: Vec<Row> = sqlx::query_as(
        "select id, status, lease_epoch, blocks_claimed, charged_at is not null, cancel_requested, checkpoint,
                exists (select from artifacts where job_id = id)
         from jobs where population_id = $1 order by created_at, id",
    )
    .bind(dataset.population_id)
    .fetch_all(pool)
    .await
    .unwrap();
    let told = |job: &Job| {
        let Job { id, status, epoch, claimed, charged, cancel_requested, published, .. } = *job;
        (id, status, epoch, claimed, charged, cancel_requested, job.checkpoint.clone(), published)
    };
    assert_eq!(rows, model.jobs.iter().map(told).collect::<Vec<_>>());
    let account = store::population(pool, dataset.population_id).await.unwrap().account;
    assert_eq!(account, model.account);
    assert!(account.used().fits(account.cap), "more than the cap");
}

async fn history(pool: &PgPool, steps: &[Step]) {
    // What a history that failed has left is nobody's.
    let left = "update jobs set status = 'cancelled', finished_at = now(), lease_expires_at = null
                where status in ('queued', 'running')";
    sqlx::query(left).execute(pool).await.unwrap();
    let dataset = table(pool, 2.0).await;
    let account = store::population(pool, dataset.population_id).await.unwrap().account;
    let mut model = Model { account, jobs: Vec::new(), leases: Vec::new() };
    for &what in steps {
        step(pool, &dataset, &mut model, what).await;
        compare(pool, &dataset, &model).await;
    }
    let budget = store::budget(pool, dataset.population_id).await.unwrap();
    assert_eq!(budget.verify(true).unwrap().account, model.account);
}

#[test]
fn any_history_is_legal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(fresh_database());
    let cases = repeats(60, 20_000);
    let config = Config { cases: cases as u32, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let steps = proptest::collection::vec(any::<Step>(), 40);
    let told = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(history(&database.pool, &steps));
        Ok(())
    });
    told.unwrap_or_else(|fault| panic!("{fault}"));
    let reached = "select string_agg(n || ' ' || status || what, ', ' order by status, what)
                   from (select status, case when charged_at is null then '' else ' charged' end
                                || case when blocks_claimed > 2 then ' with a spare' else '' end
                                || case when lease_epoch > 1 then ' again' else '' end as what, count(*) as n
                         from jobs group by 1, 2) told";
    let reached: String = runtime.block_on(sqlx::query_scalar(reached).fetch_one(&database.pool)).unwrap();
    println!("R9: {reached}");
    figure("R9", (cases, "random histories of 40 operations"), &[(0, "unlike the model")]);
}
