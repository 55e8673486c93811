//! How long the accountant takes: one epsilon, one calibration, one admission.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use dp2stage::privacy::{
    Account, Amount, Delta, DpEvent, EntryKind, Epsilon, Grant, Loss, NoiseMultiplier, Release, SamplingRate, Work,
    epsilon, epsilon_of, noise_multiplier, price,
};
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn loss(events: &Value) -> Loss {
    let mut loss = Loss::default();
    for event in events.as_array().into_iter().flatten() {
        let rate = SamplingRate::new(number(&event["q"])).unwrap();
        let sigma = NoiseMultiplier::new(number(&event["sigma"])).unwrap();
        loss.add_release(Release { rate, sigma, count: number(&event["steps"]) as u32 }).unwrap();
    }
    loss
}

fn step(q: f64, sigma: f64, count: u32) -> DpEvent {
    let (q, sigma) = (SamplingRate::new(q).unwrap(), NoiseMultiplier::new(sigma).unwrap());
    DpEvent::gaussian(sigma).poisson_sampled(q).self_composed(count)
}

/// The least time of five of every case; the median and the largest of them.
fn spread(what: &str, cases: &[&dyn Fn()]) {
    let least = |case: &&dyn Fn()| {
        (0..5).map(|_| Instant::now()).map(|begun| (case(), begun.elapsed()).1).min().unwrap_or_default()
    };
    let mut times: Vec<Duration> = cases.iter().map(least).collect();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).ceil() as usize];
    println!("{what}: {} cases, median {:?}, 99 % {:?}", times.len(), at(0.5), at(0.99));
}

fn accounting(criterion: &mut Criterion) {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../tests/fixtures/accounting.json")).unwrap();
    let (calibrations, epsilons): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case["kind"] == "calibration");
    let epsilon_case = |case: &Value| {
        let (loss, delta) = (loss(&case["events"]), Delta::new(number(&case["delta"])).unwrap());
        Box::new(move || drop(black_box(epsilon(&loss, delta)))) as Box<dyn Fn()>
    };
    let calibration = |case: &Value| {
        let (rate, steps) = (SamplingRate::new(number(&case["q"])).unwrap(), number(&case["steps"]) as u32);
        let target = Epsilon::new(number(&case["epsilon"])).unwrap();
        let delta = Delta::new(number(&case["delta"])).unwrap();
        Box::new(move || drop(black_box(noise_multiplier(rate, steps, target, delta)))) as Box<dyn Fn()>
    };
    let all: Vec<_> = epsilons.iter().map(|case| epsilon_case(case)).collect();
    spread("epsilon", &all.iter().map(|case| &**case).collect::<Vec<_>>());
    let all: Vec<_> = calibrations.iter().map(|case| calibration(case)).collect();
    spread("calibration", &all.iter().map(|case| &**case).collect::<Vec<_>>());

    filter_cost();
    let delta = Delta::new(1e-6).unwrap();
    let usual = step(0.04, 1.5, 320);
    criterion.bench_function("epsilon of (.04, 1.5, 320)", |b| b.iter(|| epsilon_of(black_box(&usual), delta)));
    let rate = SamplingRate::new(0.04).unwrap();
    let one = Epsilon::new(1.0).unwrap();
    criterion.bench_function("calibration of (.04, 320) for (1, 1e-6)", |b| {
        b.iter(|| noise_multiplier(black_box(rate), 320, one, delta))
    });
    // A hundred jobs, no two alike; what a filter needs of them is two sums.
    let mut account = Account::new(Grant { epsilon: Epsilon::new(20.0).unwrap(), delta });
    account = account.after(EntryKind::Reservation, Amount { mu2_pico: 100, leak_atto: 100 }).unwrap();
    let work = Work { opening: None, block: step(0.04, 1.5, 10), blocks: 30, spare_blocks: 2 };
    criterion.bench_function("price of a job on a budget with earlier jobs", |b| {
        b.iter(|| price(black_box(&account), &work))
    });
    let events = (0..100).map(|i| step(0.01 + 1e-4 * f64::from(i), 2.0 + 0.01 * f64::from(i), 100)).collect();
    let hundred = DpEvent::Composed { events };
    criterion.bench_function("exact composition of a hundred different jobs", |b| {
        b.iter(|| epsilon_of(black_box(&hundred), delta))
    });
}

/// Blocks of training for this epsilon alone, at a delta of 1e-6.
fn training(q: f64, steps: u32, target: f64) -> Work {
    let (rate, target) = (SamplingRate::new(q).unwrap(), Epsilon::new(target).unwrap());
    let sigma = noise_multiplier(rate, steps * 32 / 30, target, Delta::new(1e-6).unwrap()).unwrap();
    Work { opening: None, block: step(q, sigma.get(), steps / 30), blocks: 30, spare_blocks: 2 }
}

fn table(mean: f64) -> Work {
    Work::measurement(DpEvent::gaussian(NoiseMultiplier::new(1.0 / mean).unwrap()))
}

/// The least granted epsilon at which all jobs are admitted one after the other.
fn needed(jobs: &[Work], (mut low, mut high): (f64, f64)) -> f64 {
    let admitted = |epsilon: f64| {
        let grant = Grant { epsilon: Epsilon::new(epsilon).unwrap(), delta: Delta::new(1e-6).unwrap() };
        let mut account = Account::new(grant);
        jobs.iter().all(|job| {
            let Ok(price) = price(&account, job) else { return false };
            let fits = account.admit(price.whole).is_ok();
            account = account.after(EntryKind::Reservation, price.whole).unwrap();
            fits
        })
    };
    while high / low > 1.002 {
        let middle = f64::midpoint(low, high);
        *(if admitted(middle) { &mut high } else { &mut low }) = middle;
    }
    high
}

/// What workloads need as plans fixed in advance, by the filter, and as plain sums of epsilons.
fn filter_cost() {
    let many = |job: Work, times: usize| vec![job; times];
    let workloads = [
        ("one training, epsilon 1", many(training(0.04, 300, 1.0), 1)),
        ("ten trainings, epsilon 1 each", many(training(0.04, 300, 1.0), 10)),
        ("one training, epsilon 3, then nine of .5", {
            let mut jobs = many(training(0.04, 300, 3.0), 1);
            jobs.extend(many(training(0.04, 300, 0.5), 9));
            jobs
        }),
        (
            "five long trainings of rare samples (q .002, 3,000 steps), epsilon 2 each",
            many(training(0.002, 3000, 2.0), 5),
        ),
        ("a hundred tables of counts, mean .1 each", many(table(0.1), 100)),
    ];
    println!(
        "| workload, delta 1e-6 | exact, fixed in advance | the ledger, chosen as one goes | more | sum of epsilons |"
    );
    println!("|---|---|---|---|---|");
    let delta = Delta::new(1e-6).unwrap();
    for (name, jobs) in workloads {
        let exact = epsilon_of(&DpEvent::Composed { events: jobs.iter().map(Work::event).collect() }, delta).unwrap();
        let sum: f64 = jobs.iter().map(|job| epsilon_of(&job.event(), delta).unwrap()).sum();
        let ledger = needed(&jobs, (exact * 0.999, 3.0 * exact));
        println!("| {name} | {exact:.3} | {ledger:.3} | {:.1} % | {sum:.2} |", 100.0 * (ledger / exact - 1.0));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(2));
    targets = accounting
}
criterion_main!(benches);
