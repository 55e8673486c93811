//! Jobs that measure first: what they cost, what they leave, whatever draws their rows.

use dp2stage::engine::{
    EngineError, Facts, Generator, Job, Measuring, Outcome, Overrides, Plan, PlanError, Source, SplitOverrides, Stage,
    run, system_key,
};
use dp2stage::marginals::Distribution;
use dp2stage::model::Trained;
use dp2stage::privacy::{Delta, DpEvent, Epsilon, epsilon_of};
use dp2stage::tabular::{Column, MISSING, Schema, Table};

use super::persons::{dealt, unit};
use super::{Memory, categories, constant_key, facts, learnt, plan, schema, short, synthetic, table};

/// A short measured job; with stage 2 or without.
pub(super) fn measured(generator: Generator, without_stage2: bool) -> Overrides {
    Overrides { source: Source::Marginal, generator, without_stage2, public_steps: Some(20), ..short() }
}

pub(super) fn attempt(plan: &Plan, private: &Table, memory: &Memory) -> Result<Outcome, EngineError> {
    let job = Job { plan, schema: &schema(), private, public: None, ready: None, persons: None, real: None };
    run(&job, &memory.host(), &constant_key)
}

fn valid(table: &Table) -> bool {
    table.iter().all(|row| row[0] < 2 && row[1] < 3 && (row[2] < 1001 || row[2] == MISSING))
}

/// Every generator, with and without stage 2: who drew, in which order, what is left, what was claimed.
#[test]
fn every_generator_draws_valid_rows() {
    use Generator::{Auto, Distribution as Fitted, Lm};
    let private = table(300);
    for (generator, without_stage2) in [Auto, Lm, Fitted].into_iter().flat_map(|one| [(one, true), (one, false)]) {
        let case = format!("{generator:?}, without stage 2: {without_stage2}");
        let plan = plan(&schema(), 300, 60, &measured(generator, without_stage2));
        let memory = Memory::default();
        let outcome = attempt(&plan, &private, &memory).unwrap();
        assert!(outcome.drawn.iter().all(|drawn| drawn.rows.rows() == 60 && valid(&drawn.rows)), "{case}");
        let mut by: Vec<_> = outcome.drawn.iter().map(|drawn| drawn.generator).collect();
        let distances: Vec<f64> = outcome.drawn.iter().map(|drawn| drawn.distance.unwrap()).collect();
        assert!(distances.is_sorted() && distances.iter().all(|d| (0.0..=1.0).contains(d)), "{case}: {distances:?}");
        by.sort_by_key(|generator| *generator == Fitted);
        match generator {
            Auto => assert_eq!(by, [Lm, Fitted], "{case}"),
            one => assert_eq!(by, [one], "{case}"),
        }
        let trains = generator != Fitted || !without_stage2;
        assert_eq!((outcome.model.is_some(), plan.trains()), (trains, trains), "{case}");
        Distribution::from_bytes(outcome.distribution.as_ref().unwrap()).unwrap();

        let mut expected = vec!["save", "open", "save"];
        if trains {
            expected.push("save");
        }
        let mut log = memory.log.take();
        let blocks = log.split_off(expected.len());
        assert_eq!(log, expected, "{case}: the key, the claim, the distribution, stage 1");
        let claims = blocks.iter().filter(|line| line.starts_with("claim")).count() as u32;
        assert_eq!(claims, plan.private.map_or(0, |private| private.blocks), "{case}");
        let seen = memory.seen.take();
        let measuring = seen.iter().filter(|progress| progress.stage == Stage::Measure).count() as u32;
        assert_eq!(measuring, plan.measure.as_ref().unwrap().parts(), "{case}");
    }
}

/// What a job says that it draws with is what it draws with.
#[test]
fn a_distribution_that_was_asked_for_draws_alone() {
    let private = table(300);
    let plan =
        plan(&schema(), 300, 60, &Overrides { public_steps: Some(30), ..measured(Generator::Distribution, true) });
    let outcome = attempt(&plan, &private, &Memory::default()).unwrap();
    assert_eq!(outcome.drawn.iter().map(|drawn| drawn.generator).collect::<Vec<_>>(), [Generator::Distribution]);
    assert!(outcome.model.is_none(), "no model is trained that nobody asks");
}

/// Strange numbers of private rows and strange rows end like any other: no error, valid rows.
#[test]
fn every_table_has_an_outcome_of_valid_rows() {
    let tables = [
        Table::new(3, Vec::new()),
        table(1),
        table(3000),
        Table::new(3, [1, 2, MISSING].repeat(300)),
        Table::new(3, [u32::MAX - 1, 7, 99_999].repeat(300)),
    ];
    let plan = plan(&schema(), 300, 100, &measured(Generator::Auto, true));
    for private in tables {
        let outcome = attempt(&plan, &private, &Memory::default()).unwrap();
        assert!(outcome.drawn.len() == 2 && outcome.drawn.iter().all(|drawn| valid(&drawn.rows)));
    }
}

/// With a real key: columns and their dependence are learnt by both generators.
#[test]
fn a_measured_run_learns_what_hangs_together() {
    type Fact = fn(&[u32]) -> bool;
    let facts: [Fact; 5] = [
        |row| row[0] == 1,
        |row| row[0] == 1 && row[1] == 1,
        |row| row[0] == 0 && row[1] == 1,
        |row| row[2] == MISSING,
        |row| row[0] == 1 && (490..620).contains(&row[2]),
    ];
    let share = |table: &Table, fact: Fact| table.iter().filter(|row| fact(row)).count() as f64 / table.rows() as f64;
    let (schema, private) = (schema(), table(6000));
    let wishes = Overrides { public_steps: Some(300), ..measured(Generator::Auto, true) };
    let plan = plan(&schema, 6000, 4000, &wishes);
    let job =
        Job { plan: &plan, schema: &schema, private: &private, public: None, ready: None, persons: None, real: None };
    let outcome = run(&job, &Memory::default().host(), &system_key).unwrap();
    for drawn in &outcome.drawn {
        for (i, fact) in facts.into_iter().enumerate() {
            let (real, made) = (share(&private, fact), share(&drawn.rows, fact));
            assert!((real - made).abs() < 0.04, "{:?}, fact {i}: {real:.3} real, {made:.3}", drawn.generator);
        }
    }
}

/// Persons: the same job, with noise for all rows of one.
#[test]
fn persons_are_measured_with_all_of_their_rows() {
    let (schema, private) = (schema(), table(600));
    let (gathered, persons) = dealt(&schema, &private, 3, 3);
    let plan = Plan::new(&facts(&schema, 600, unit(200, 3), 40), &measured(Generator::Auto, true)).unwrap();
    let memory = Memory::default();
    let job = |persons| Job {
        plan: &plan,
        schema: &schema,
        private: &gathered,
        public: None,
        ready: None,
        persons,
        real: None,
    };
    let outcome = run(&job(Some(&persons)), &memory.host(), &constant_key).unwrap();
    let of_persons = Distribution::from_bytes(&outcome.distribution.unwrap()).unwrap();
    let rows = Plan { persons: None, ..plan.clone() };
    let outcome = attempt(&rows, &gathered, &Memory::default()).unwrap();
    let of_rows = Distribution::from_bytes(&outcome.distribution.unwrap()).unwrap();
    for (persons, rows) in of_persons.measured.iter().zip(&of_rows.measured).take(3) {
        let times = persons.deviation / rows.deviation;
        assert!((2.9..3.1).contains(&times), "three rows each, {times} times the noise");
    }
    let refused = run(&job(None), &Memory::default().host(), &constant_key);
    assert!(matches!(refused, Err(EngineError::Unit)));
}

/// Schemas whose target has two classes, many, numbers; and one without.
fn targets() -> Vec<(&'static str, Schema)> {
    let own = schema();
    let number = |nullable| Column { nullable, ..own.columns()[2].clone() };
    let classes =
        |count| Schema::new(vec![categories("y", count, false), categories("a", 4, true), number(true)], Some(0), None);
    let of_number = Schema::new(vec![categories("a", 3, false), number(false)], Some(1), None);
    let without = Schema::new(vec![categories("a", 3, false), categories("b", 5, false)], None, None);
    let all =
        [("eight classes", classes(8)), ("300 classes", classes(300)), ("a number", of_number), ("none", without)];
    let all = all.map(|(name, schema)| (name, schema.unwrap()));
    [("two classes", own.clone())].into_iter().chain(all).collect()
}

const EPSILONS: [f64; 5] = [0.1, 1.0, 3.0, 8.0, 20.0];
const ROWS: [u64; 3] = [500, 32_561, 1_000_000];

fn planned(schema: &Schema, (rows_public, epsilon): (u64, f64), overrides: &Overrides) -> Result<Plan, PlanError> {
    let (epsilon, delta) = (Epsilon::new(epsilon).unwrap(), Delta::new(1e-6).unwrap());
    let facts = Facts { schema, rows_public, persons: None, epsilon, delta, rows: 10, base: None };
    Plan::new(&facts, overrides)
}

fn cost(plan: &Plan) -> f64 {
    let told = plan.work().event().loss().unwrap();
    assert_eq!(told, plan.event.loss().unwrap(), "what the ledger is told is what the plan says");
    epsilon_of(&plan.event, Delta::new(1e-6).unwrap()).unwrap()
}

/// The measurement of a job without stage 2 costs what was asked for, and nothing of it is left lying.
#[test]
fn a_measurement_alone_costs_what_was_asked_for() {
    let overrides = Overrides { source: Source::Marginal, without_stage2: true, ..Overrides::default() };
    for (name, schema) in targets() {
        for (rows, epsilon) in ROWS.into_iter().flat_map(|rows| EPSILONS.map(|epsilon| (rows, epsilon))) {
            let plan = planned(&schema, (rows, epsilon), &overrides).unwrap();
            let cost = cost(&plan);
            assert!(cost <= epsilon && cost >= 0.98 * epsilon, "{name}, {rows} rows: {cost} of {epsilon}");
            let measure = plan.measure.as_ref().unwrap();
            assert_eq!(measure.labels.is_some(), name == "two classes" || name == "eight classes", "{name}");
            assert_eq!(plan.work().opening, Some(measure.event()));
            assert_eq!((plan.work().blocks, plan.private), (0, None));
        }
    }
}

/// With stage 2 both together cost at most what was asked for, and hardly less.
#[test]
fn a_measurement_and_stage_2_cost_what_was_asked_for() {
    let targets = targets();
    let cases = ROWS.into_iter().flat_map(|rows| EPSILONS.map(|epsilon| (rows, epsilon)));
    for (i, (rows, epsilon)) in cases.enumerate() {
        let trained = [Trained::Full, Trained::Heads][i % 2];
        let (name, schema) = &targets[i % 5];
        let overrides = Overrides { source: Source::Marginal, trained, ..Overrides::default() };
        let plan = planned(schema, (rows, epsilon), &overrides).unwrap();
        let cost = cost(&plan);
        assert!(cost <= epsilon && cost >= 0.97 * epsilon, "{name}, {rows} rows: {cost} of {epsilon}");
        let measured = plan.measure.as_ref().unwrap().event().loss().unwrap().mu2();
        let all = dp2stage::privacy::gaussian_mean(epsilon, 1e-6).powi(2);
        assert!((measured / all - 0.8).abs() < 1e-6, "{name}, {rows} rows: {measured} of {all}");
    }
}

/// Shares that are asked for are what the parts get; the rounds and their scores share the rest.
#[test]
fn shares_are_followed() {
    let split = SplitOverrides { share: Some(0.5), histograms: Some(0.2), labels: Some(0.3), bins: Some(7) };
    let overrides = Overrides { source: Source::Marginal, split, ..short() };
    let plan = planned(&schema(), (5000, 1.0), &overrides).unwrap();
    let measure = plan.measure.as_ref().unwrap();
    let all = dp2stage::privacy::gaussian_mean(1.0, 1e-6).powi(2) * 0.5;
    let mu2 = |event: &DpEvent| event.loss().unwrap().mu2() / all;
    let part = |noise| mu2(&DpEvent::gaussian(noise));
    assert!((mu2(&measure.event()) - 1.0).abs() < 1e-6);
    assert!((part(measure.histograms) - 0.2).abs() < 1e-6);
    assert!((part(measure.labels.unwrap()) - 0.3).abs() < 1e-6);
    let rounds: f64 = measure.rounds.iter().map(|round| part(round.scores) + part(round.tables)).sum();
    assert!((rounds - 0.5).abs() < 1e-6);
    assert_eq!(measure.recipe.bins, 7);
    for bad in [
        SplitOverrides { share: Some(0.0), ..split },
        SplitOverrides { share: Some(f64::NAN), ..split },
        SplitOverrides { histograms: Some(0.99), ..split },
        SplitOverrides { labels: Some(-0.1), ..split },
        SplitOverrides { histograms: Some(0.5), labels: Some(0.5), ..split },
        SplitOverrides { bins: Some(1), ..split },
        SplitOverrides { bins: Some(101), ..split },
    ] {
        assert!(planned(&schema(), (5000, 1.0), &Overrides { split: bad, ..overrides }).is_err(), "{bad:?}");
    }
}

/// Without a share of the measurement a plan is of one event; with one it comes back from JSON, and one of old is read.
#[test]
fn measured_plans_come_back_from_json() {
    for without_stage2 in [true, false] {
        let plan = plan(&schema(), 5000, 100, &measured(Generator::Auto, without_stage2));
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{json}");
    }
    let usual = plan(&schema(), 5000, 100, &short());
    let mut old = serde_json::to_value(&usual).unwrap();
    let members = old.as_object_mut().unwrap();
    assert_eq!((members.remove("generator"), members.get("measure")), (Some("auto".into()), None));
    assert_eq!(serde_json::from_value::<Plan>(old).unwrap(), usual);
    let opening: Option<&Measuring> = usual.measure.as_ref();
    assert!(opening.is_none());
}

/// What comes of a measurement does not depend on the number of threads: a repeat on another machine is a repeat.
#[test]
fn a_measurement_does_not_depend_on_the_number_of_threads() {
    let private = table(3000);
    let plan = plan(&schema(), 3000, 500, &measured(Generator::Auto, true));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let outcome = pool.install(|| attempt(&plan, &private, &Memory::default())).unwrap();
        let rows: Vec<u32> = synthetic(&outcome).iter().flatten().copied().collect();
        (outcome.distribution.clone().unwrap(), learnt(&outcome).weights.clone(), rows)
    };
    assert!(with(1) == with(2));
}
