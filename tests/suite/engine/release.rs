//! Figures that a job buys about its table: what they cost, and that they are bought once however often it is cut off.

use std::cell::{Cell, RefCell};

use dp2stage::engine::{
    EngineError, Facts, Generator, Halt, Host, Job, Meter, Outcome, Overrides, Plan, Progress, ReleaseWish, Source,
    Stop, Vault, Witness, run, system_key,
};
use dp2stage::marginals::Refused;
use dp2stage::privacy::{Delta, DpEvent, Epsilon, Work, epsilon_of};
use dp2stage::report::Section;
use dp2stage::report::released::{RealRows, ReleasedFigures};
use dp2stage::tabular::{Schema, Table};
use proptest::prelude::*;
use rand::RngCore;
use rand_chacha::ChaCha20Rng;

use super::measured::measured;
use super::persons::{dealt, unit};
use super::{categories, plan, schema, short, synthetic, table};

fn wish(epsilon: f64) -> Option<ReleaseWish> {
    Some(ReleaseWish { epsilon: Epsilon::new(epsilon).unwrap(), held_out: true })
}

/// Every kind of job: only counts, only steps, both, neither.
fn kinds() -> [Overrides; 4] {
    let steps = Overrides { source: Source::Uniform, public_steps: Some(20), ..short() };
    [
        measured(Generator::Distribution, true),
        steps,
        measured(Generator::Auto, false),
        Overrides { without_stage2: true, ..steps },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For any size, any epsilon and any part of it for figures, the whole stays within what was asked for, and so do the
    /// figures by themselves; and nearly all of it is used.
    #[test]
    fn figures_are_paid_from_the_jobs_epsilon(
        rows_public in 500u64..1_000_000,
        columns in 2usize..40,
        epsilon in 0.3f64..10.0,
        part in 0.05f64..0.9,
        kind in 0usize..3,
    ) {
        let columns = (0..columns).map(|i| categories(&format!("c{i}"), 5, false)).collect();
        let schema = Schema::new(columns, Some(1), None).unwrap();
        let (epsilon, delta) = (Epsilon::new(epsilon).unwrap(), Delta::new(1e-6).unwrap());
        let facts = Facts { schema: &schema, rows_public, persons: None, epsilon, delta, rows: 10, base: None };
        let overrides = Overrides { release: wish(part * epsilon.get()), ..kinds()[kind] };
        let plan = Plan::new(&facts, &overrides).unwrap();
        let spent = epsilon_of(&plan.event, delta).unwrap();
        prop_assert!(spent <= epsilon.get() && spent > 0.97 * epsilon.get(), "{spent} of {}", epsilon.get());
        let by_itself = epsilon_of(&plan.release.unwrap().event(), delta).unwrap();
        prop_assert!(by_itself <= part * epsilon.get() && by_itself > 0.999 * part * epsilon.get());
        // What the ledger is told is what the plan says.
        let work = epsilon_of(&plan.work().event(), delta).unwrap();
        prop_assert!((work - spent).abs() < 1e-9 * spent);
        let stored = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&stored).unwrap(), plan);
    }
}

#[test]
fn plans_without_figures_are_what_they_were() {
    for overrides in kinds() {
        let plan = plan(&schema(), 400, 30, &overrides);
        assert!(!serde_json::to_string(&plan).unwrap().contains("release"));
    }
    let alone = plan(&schema(), 400, 30, &Overrides { release: wish(0.5), ..kinds()[3] });
    assert_eq!(alone.event, alone.release.unwrap().event());
    assert_eq!(alone.work(), Work::measurement(alone.event.clone()));
    let unscored = ReleaseWish { held_out: false, ..wish(0.5).unwrap() };
    let unscored = plan(&schema(), 400, 30, &Overrides { release: Some(unscored), ..kinds()[3] });
    assert!(unscored.release.unwrap().target.is_none() && alone.release.unwrap().target.is_some());
    let DpEvent::Composed { events } = unscored.event else { panic!() };
    assert_eq!(events.len(), 3);
}

/// A host that can be told to end an attempt at a save or at a pulse, and writes down what noise was about to be drawn.
#[derive(Default)]
struct Stormy {
    checkpoint: RefCell<Option<Vec<u8>>>,
    /// Saves and pulses left before the attempt ends; a save that ends it is lost, or is not.
    left: Cell<Option<u32>>,
    loses: Cell<bool>,
    charged: Cell<bool>,
    /// Names of drawings: the part, the counts and the noise.
    drawn: RefCell<Vec<(String, Vec<i64>, u64)>>,
}

impl Stormy {
    fn goes_on(&self) -> Result<(), Halt> {
        match self.left.get() {
            Some(0) => Err(Halt::Draining),
            left => {
                self.left.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }

    fn host(&self) -> Host<'_> {
        Host { meter: self, vault: self, stop: self }
    }

    fn reports(&self) -> Vec<(String, Vec<i64>, u64)> {
        self.drawn.borrow().iter().filter(|(part, ..)| part.starts_with("Report")).cloned().collect()
    }
}

impl Meter for Stormy {
    fn claim_opening(&self) -> Result<(), Halt> {
        self.charged.set(true);
        Ok(())
    }

    fn claim_block(&self, _: u32) -> Result<(), Halt> {
        self.charged.set(true);
        Ok(())
    }

    fn witness(&self) -> Option<&dyn Witness> {
        Some(self)
    }
}

impl Witness for Stormy {
    fn step(&self, _: u32, _: u32, _: ChaCha20Rng) -> Result<(), Halt> {
        Ok(())
    }

    fn counts(&self, part: &str, counts: &[i64], _: f64, mut noise: ChaCha20Rng) -> Result<(), Refused> {
        assert!(self.charged.get(), "{part} before any charge");
        self.drawn.borrow_mut().push((part.into(), counts.to_vec(), noise.next_u64()));
        Ok(())
    }
}

impl Vault for Stormy {
    fn save(&self, checkpoint: &[u8]) -> Result<(), Halt> {
        let ends = self.goes_on();
        if ends.is_ok() || !self.loses.get() {
            *self.checkpoint.borrow_mut() = Some(checkpoint.to_vec());
        }
        ends
    }

    fn load(&self) -> Result<Option<Vec<u8>>, Halt> {
        Ok(self.checkpoint.borrow().clone())
    }
}

impl Stop for Stormy {
    fn pulse(&self, _: Progress) -> Result<(), Halt> {
        self.goes_on()
    }
}

fn attempt(plan: &Plan, (train, held_out): (&Table, &Table), host: &Stormy) -> Result<Outcome, EngineError> {
    let real = Some(RealRows { train, held_out });
    let job = Job { plan, schema: &schema(), private: train, public: None, ready: None, persons: None, real };
    run(&job, &host.host(), &system_key)
}

fn figures(outcome: &Outcome) -> Option<&ReleasedFigures> {
    outcome.figures.as_ref().unwrap().measured()
}

/// The same drawings, however often each was made.
fn different(host: &Stormy) -> usize {
    let mut drawn = host.reports();
    drawn.sort();
    drawn.dedup();
    drawn.len()
}

/// The key of noise that a checkpoint has in its mark.
fn key_of_noise(checkpoint: &[u8]) -> Option<Vec<u8>> {
    // A letter, a length, the key of the rows, their digest, and the key of noise.
    checkpoint.starts_with(&[b'R', 96, 0, 0, 0, 0, 0, 0, 0]).then(|| checkpoint[9 + 64..9 + 96].to_vec())
}

/// An attempt that is cut off, and one that ends the job. Whether the first was not cut off at all, and whether it left the
/// key of figures, or figures.
fn cut_off(plan: &Plan, real: (&Table, &Table), (loses, cut): (bool, u32)) -> (bool, bool, bool) {
    let host = Stormy::default();
    host.loses.set(loses);
    host.left.set(Some(cut));
    let calm = attempt(plan, real, &host).is_ok();
    let (drawn, checkpoint) = (host.reports(), host.checkpoint.borrow().clone());
    let key = checkpoint.as_deref().and_then(key_of_noise);
    host.left.set(None);
    let outcome = attempt(plan, real, &host).unwrap();
    assert!(figures(&outcome).is_some() && synthetic(&outcome).rows() == 60);
    assert_eq!(different(&host), plan.release.unwrap().parts().count(), "cut at {cut}, lost: {loses}");
    let bought = key.is_none() && !drawn.is_empty();
    if bought {
        assert_eq!(host.reports(), drawn, "they were kept");
    }
    if let Some(key) = &key {
        let end = host.checkpoint.borrow().clone().unwrap();
        assert!(!end.windows(32).any(|window| window == key), "nobody can take the noise off again");
    }
    (calm, key.is_some(), bought && !calm)
}

/// Cut off at every save and pulse, the save done or lost: figures are drawn once, or again with the same noise on the same
/// counts. Whether there was a crash cannot be seen: there are figures in any case. The key of their noise is gone in the end.
#[test]
fn figures_are_drawn_once_however_often_the_job_is_cut_off() {
    let real = (table(300), table(120));
    let (mut begun, mut bought) = (0, 0);
    for overrides in kinds() {
        let quick = Overrides { release: wish(1.0), steps: Some(2), public_steps: Some(2), ..overrides };
        let plan = plan(&schema(), 300, 60, &quick);
        for loses in [true, false] {
            for cut in 0.. {
                let found = cut_off(&plan, (&real.0, &real.1), (loses, cut));
                begun += u32::from(found.1);
                bought += u32::from(found.2);
                if found.0 {
                    break;
                }
            }
        }
    }
    assert!(begun >= 8 && bought >= 4, "begun {begun}, bought {bought}: both happen");
}

/// Figures that were bought for some rows are never given out with others, nor bought again.
#[test]
fn figures_of_other_rows_are_not_given_out() {
    let real = (table(300), table(120));
    let plan = plan(&schema(), 300, 60, &Overrides { release: wish(1.0), ..kinds()[0] });
    let host = Stormy::default();
    let first = attempt(&plan, (&real.0, &real.1), &host).unwrap();
    let again = attempt(&plan, (&real.0, &real.1), &host).unwrap();
    assert_eq!((figures(&first), host.reports().len()), (figures(&again), 4));
    assert!(synthetic(&first).iter().eq(synthetic(&again).iter()), "the same rows again");
    // The digest, behind the letter, the length and the key.
    host.checkpoint.borrow_mut().as_mut().unwrap()[41] ^= 1;
    let other = attempt(&plan, (&real.0, &real.1), &host).unwrap();
    let Some(Section::Absent { absent }) = &other.figures else { panic!() };
    assert!(absent.contains("processor") && host.reports().len() == 4);
    for damaged in [b"R".to_vec(), b"B\x20\0\0\0\0\0\0\0xx".to_vec(), b"R\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()] {
        *host.checkpoint.borrow_mut() = Some(damaged);
        assert!(matches!(attempt(&plan, (&real.0, &real.1), &host), Err(EngineError::Checkpoint(_))));
    }
    assert_eq!(host.reports().len(), 4);
}

/// Without the rows that figures are about there is a clear end before anything is charged for them, and where persons are
/// the unit the noise grows with their rows.
#[test]
fn persons_take_more_noise_and_missing_rows_end_it() {
    let real = (table(300), table(120));
    let alone = Overrides { release: wish(1.0), ..kinds()[3] };
    let planned = plan(&schema(), 300, 60, &alone);
    let host = Stormy::default();
    let job = Job {
        plan: &planned,
        schema: &schema(),
        private: &real.0,
        public: None,
        ready: None,
        persons: None,
        real: None,
    };
    assert!(matches!(run(&job, &host.host(), &system_key), Err(EngineError::Figures)));
    assert!(!host.charged.get());

    let schema_of_all = schema();
    let facts = super::facts(&schema_of_all, 300, unit(100, 4), 60);
    let of_persons = Plan::new(&facts, &alone).unwrap();
    assert_eq!(of_persons.release, planned.release, "the price is that of a unit");
    let (gathered, groups) = dealt(&schema(), &real.0, 4, 4);
    let width = |plan: &Plan, train: &Table, persons| {
        let (host, schema) = (Stormy::default(), schema());
        let rows = Some(RealRows { train, held_out: &real.1 });
        let job = Job { plan, schema: &schema, private: train, public: None, ready: None, persons, real: rows };
        let rows = figures(&run(&job, &host.host(), &system_key).unwrap()).unwrap().rows;
        rows.high - rows.value
    };
    let times = width(&of_persons, &gathered, Some(&groups)) / width(&planned, &real.0, None);
    assert!((times - 4.0).abs() < 0.2, "{times}");
}
