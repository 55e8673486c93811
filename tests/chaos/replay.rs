//! The replay of a witness file: what workers really released about private rows, through the accountant, against what
//! the ledger says.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use dp2stage::engine::Plan;
use dp2stage::privacy::{
    Amount, DpEvent, EntryKind, Loss, NoiseMultiplier, Price, ReservationRecord, Rule, Work, certificate, epsilon_of,
};
use dp2stage::store::{self, Budget};
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

/// One release.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    pub job: Uuid,
    pub epoch: i64,
    /// The name of its noise; of noise and counts together in a measurement.
    pub noise: String,
    pub block: Option<i32>,
    pub step: Option<u32>,
    pub phase: Option<String>,
    pub mu2: Option<f64>,
}

/// The lines of a witness file, none if nobody wrote.
pub fn lines(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

/// What was replayed, and every way in which the ledger says less.
#[derive(Debug, Default)]
pub struct Replayed {
    pub jobs: usize,
    pub steps: usize,
    pub counts: usize,
    /// Blocks that were begun again.
    pub repeated: usize,
    /// Releases of a measurement that were made again, with the same noise on the same counts.
    pub same_again: usize,
    pub under_counted: Vec<String>,
    pub beyond_spares: Vec<String>,
}

/// Replays a file against the database.
pub async fn replay(pool: &PgPool, path: &Path) -> Replayed {
    let mut by_job = BTreeMap::<Uuid, Vec<Line>>::new();
    let mut told = Replayed::default();
    let mut noises = HashSet::new();
    for line in lines(path) {
        if line.step.is_some() && !noises.insert(line.noise.clone()) {
            told.under_counted.push(format!("two steps share their noise: {line:?}"));
        }
        by_job.entry(line.job).or_default().push(line);
    }
    for population in store::populations(pool).await.expect("populations") {
        let budget = store::budget(pool, population).await.expect("a ledger");
        let findings = budget.verify(true).expect("a sound ledger");
        let mut all = Vec::new();
        for &job in budget.jobs.keys() {
            let Some(lines) = by_job.remove(&job) else { continue };
            all.push(replay_job(pool, (&budget, job), &lines, &mut told).await);
        }
        let all = epsilon_of(&DpEvent::Composed { events: all }, findings.account.grant.delta).expect("an epsilon");
        let charged = findings.epsilon_if_preplanned().expect("an epsilon");
        if all > charged * (1.0 + 1e-9) {
            told.under_counted.push(format!("population {population}: {all} was released and {charged} charged"));
        }
    }
    assert!(by_job.is_empty(), "releases of jobs that there are not: {by_job:?}");
    told
}

/// Plan, claimed blocks and what else the database has of a job.
struct Kept {
    plan: Plan,
    allowed: i32,
    claimed: Vec<(i64, i32)>,
    charged: bool,
}

async fn kept(pool: &PgPool, job: Uuid) -> Kept {
    let (plan, allowed, charged) =
        sqlx::query_as("select plan, blocks_allowed, charged_at is not null from jobs where id = $1")
            .bind(job)
            .fetch_one(pool)
            .await
            .expect("the job");
    let plan: serde_json::Value = plan;
    let claimed = sqlx::query_as("select lease_epoch, block from private_blocks where job_id = $1 order by ordinal");
    let claimed = claimed.bind(job).fetch_all(pool).await.expect("blocks");
    Kept { plan: serde_json::from_value(plan).expect("a plan"), allowed, claimed, charged }
}

/// Everything that a job released, as one event.
async fn replay_job(pool: &PgPool, (budget, job): (&Budget, Uuid), lines: &[Line], told: &mut Replayed) -> DpEvent {
    let kept = kept(pool, job).await;
    told.jobs += 1;
    let mut short = |what: String| told.under_counted.push(format!("job {job}: {what}"));
    if !kept.charged {
        short("releases before any charge".to_owned());
    }
    let (mut events, mut seen) = (Vec::new(), BTreeMap::<&str, BTreeMap<&str, f64>>::new());
    let (mut counts, mut steps) = (0, 0u32);
    let (mut begun, mut done) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        if let (Some(phase), Some(mu2)) = (&line.phase, line.mu2) {
            counts += 1;
            // The same noise on the same counts is the same release, however often it was made.
            seen.entry(phase).or_default().insert(&line.noise, mu2);
        }
        if let (Some(block), Some(step)) = (line.block, line.step) {
            steps += 1;
            begun.insert((line.epoch, block));
            let each = kept.plan.private.map_or(0, |private| private.block_steps);
            if !(block as u32 * each..(block as u32 + 1) * each).contains(&step) || !done.insert((line.epoch, step)) {
                short(format!("step {step} in block {block} of epoch {}", line.epoch));
            }
        }
    }
    for (phase, releases) in &seen {
        let (spent, planned) = (releases.values().sum::<f64>(), planned(&kept.plan, phase));
        if spent > planned * (1.0 + 1e-9) {
            short(format!("{phase} took {spent} of {planned}"));
        }
        events.push(DpEvent::gaussian(NoiseMultiplier::new(1.0 / spent.sqrt()).expect("a noise multiplier")));
    }
    for &block in begun.iter().filter(|block| !kept.claimed.contains(block)) {
        short(format!("(epoch, block) {block:?} was never counted"));
    }
    if let Some(private) = kept.plan.private.filter(|_| steps > 0) {
        events.push(DpEvent::gaussian(private.noise).poisson_sampled(private.rate).self_composed(steps));
        if steps > kept.claimed.len() as u32 * private.block_steps {
            short(format!("{steps} steps in {} blocks", kept.claimed.len()));
        }
    }
    let released = DpEvent::Composed { events };
    less_than_released(budget, (job, &released), &mut short);
    told.steps += steps as usize;
    told.counts += counts;
    told.same_again += counts - seen.values().map(BTreeMap::len).sum::<usize>();
    let numbers: BTreeSet<i32> = begun.iter().map(|(_, block)| *block).collect();
    told.repeated += begun.len() - numbers.len();
    if begun.len() > kept.allowed as usize || kept.claimed.len() > kept.allowed as usize {
        told.beyond_spares.push(format!("job {job}: {} blocks of {}", begun.len(), kept.allowed));
    }
    released
}

/// The squared mean that a plan has for a phase of its measurement.
fn planned(plan: &Plan, phase: &str) -> f64 {
    let bought = plan.release.iter().flat_map(|release| release.parts());
    if let Some((_, noise)) = bought.into_iter().find(|(part, _)| format!("Report({part:?})") == phase) {
        return noise.get().powi(-2);
    }
    let measure = plan.measure.as_ref().expect("a plan with a measurement");
    let round = |phase: &str, name: &str| -> Option<usize> {
        phase.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?.parse().ok()
    };
    let noise = match (phase, round(phase, "Scores"), round(phase, "Tables")) {
        ("Histograms", ..) => measure.histograms,
        ("Labels", ..) => measure.labels.expect("noise for labels"),
        (_, Some(number), _) => measure.rounds[number].scores,
        (_, _, Some(number)) => measure.rounds[number].tables,
        _ => panic!("no such phase: {phase}"),
    };
    noise.get().powi(-2)
}

/// Compares what a job was charged with what it released: as events, and as the ledger's own currency.
fn less_than_released(budget: &Budget, (job, released): (Uuid, &DpEvent), short: &mut dyn FnMut(String)) {
    let entries = || budget.book.entries.iter().filter(|entry| entry.job_id == Some(job));
    let reservation = entries().find(|entry| entry.kind == EntryKind::Reservation).expect("a reservation");
    let record: ReservationRecord = serde_json::from_str(&reservation.record).expect("a record");
    let charges: Vec<Amount> =
        entries().filter(|entry| entry.kind == EntryKind::Charge).map(|entry| entry.amount).collect();
    let charged = charged(&record.work, &record.price, charges.len() as u32);
    let epsilon = |event: &DpEvent| epsilon_of(event, record.planned.delta).expect("an epsilon");
    let (told, done) = (epsilon(&charged), epsilon(released));
    if done > told * (1.0 + 1e-9) {
        short(format!("released {done}, charged {told}"));
    }
    // Blocks that are priced one by one are each within their price; a certificate of all at once may be a little dearer.
    if record.price.rule == Rule::Certificate && record.price.block.is_none() && !charges.is_empty() {
        let amount = charges.iter().fold(Amount::default(), |sum, amount| sum.plus(*amount));
        let loss: Loss = released.loss().expect("a loss");
        let mean = certificate(&loss, amount.leak()).expect("a certificate");
        if mean * mean > amount.mu2() * (1.0 + 1e-6) {
            short(format!("released a squared mean of {}, charged {}", mean * mean, amount.mu2()));
        }
    }
}

/// What so many charges cover.
fn charged(work: &Work, price: &Price, charges: u32) -> DpEvent {
    match (charges, price.block) {
        (0, _) => DpEvent::nothing(),
        (_, None) => work.event(),
        (blocks, Some(_)) => work.block.clone().self_composed(blocks),
    }
}
