//! The measurement before any block, cut off at every moment: the same noise again, or none.

use std::cell::Cell;

use dp2stage::engine::{EngineError, Generator, Halt, Job, Outcome, Plan, Streams, run};
use dp2stage::privacy::Purpose;
use dp2stage::tabular::Table;
use rand::RngCore;

use super::measured::{attempt, measured};
use super::{Constant, Memory, learnt, plan, schema, synthetic, table};

/// Keys of which none is like another; the first is number `0`.
struct Keys(Cell<u64>);

impl Keys {
    fn new() -> Self {
        Self(Cell::new(0))
    }

    fn next(&self) -> Box<dyn Streams> {
        self.0.set(self.0.get() + 1);
        Box::new(Constant(1000 + self.0.get()))
    }
}

/// The key that a job with [`Keys`] keeps for its measurement.
fn first_key() -> [u8; 32] {
    let mut key = [0; 32];
    Keys::new().next().stream(Purpose::Measurement, 0).fill_bytes(&mut key);
    key
}

fn with_keys(plan: &Plan, private: &Table, memory: &Memory, keys: &Keys) -> Result<Outcome, EngineError> {
    let job = Job { plan, schema: &schema(), private, public: None, ready: None, persons: None, real: None };
    run(&job, &memory.host(), &|| keys.next())
}

fn holds_key(memory: &Memory) -> bool {
    let key = first_key();
    memory.checkpoint.borrow().as_deref().is_some_and(|bytes| bytes.windows(32).any(|window| window == key))
}

fn opened(memory: &Memory) -> usize {
    memory.log.borrow().iter().filter(|line| *line == "open").count()
}

fn measured_plan() -> Plan {
    plan(&schema(), 400, 30, &measured(Generator::Auto, true))
}

#[test]
fn the_key_is_kept_before_the_claim_and_gone_after_the_measurement() {
    let (plan, private, memory) = (measured_plan(), table(400), Memory::default());
    memory.openings.set(Some(0));
    assert!(matches!(with_keys(&plan, &private, &memory, &Keys::new()), Err(EngineError::Halt(Halt::Draining))));
    assert_eq!(*memory.log.borrow(), ["save"], "kept, and not charged");
    assert!(holds_key(&memory));
    memory.openings.set(None);
    // The distribution is kept at the end of the last part; the next pulse is stage 1's.
    memory.pulses.set(Some(plan.measure.as_ref().unwrap().parts()));
    assert!(with_keys(&plan, &private, &memory, &Keys::new()).is_err());
    assert_eq!(*memory.log.borrow(), ["save", "open", "save"]);
    assert!(!holds_key(&memory), "nobody can take the noise off again");
}

/// Cut off before the claim, after it, in every part, after it was kept, in stage 1: the next attempt has the same
/// distribution to the last bit, though its own key would be another one.
#[test]
fn a_measurement_that_was_cut_off_gives_the_same_again() {
    let (plan, private) = (measured_plan(), table(400));
    let calm = with_keys(&plan, &private, &Memory::default(), &Keys::new()).unwrap().distribution.unwrap();
    let parts = plan.measure.as_ref().unwrap().parts();
    for cut in 0..=parts + 5 {
        let (memory, keys) = (Memory::default(), Keys::new());
        memory.pulses.set(Some(cut));
        assert!(with_keys(&plan, &private, &memory, &keys).is_err());
        let kept = cut >= parts;
        assert_eq!((opened(&memory), holds_key(&memory)), (1, !kept), "{cut}");
        memory.pulses.set(None);
        let outcome = with_keys(&plan, &private, &memory, &keys).unwrap();
        assert!(outcome.distribution.unwrap() == calm, "cut after {cut}: another measurement");
        assert_eq!((opened(&memory), holds_key(&memory)), (if kept { 1 } else { 2 }, false), "{cut}");
    }
    let (memory, keys) = (Memory::default(), Keys::new());
    memory.openings.set(Some(0));
    assert!(with_keys(&plan, &private, &memory, &keys).is_err());
    memory.openings.set(None);
    assert!(with_keys(&plan, &private, &memory, &keys).unwrap().distribution.unwrap() == calm);
    assert_eq!(opened(&memory), 1);
    let other = Keys(Cell::new(500));
    let other = with_keys(&plan, &private, &Memory::default(), &other).unwrap();
    assert!(other.distribution.unwrap() != calm, "another job has another key");
}

/// Nothing private is read before the claim.
#[test]
fn before_the_claim_nothing_private_is_read() {
    let plan = measured_plan();
    let left = |private: &Table| {
        let memory = Memory::default();
        memory.openings.set(Some(0));
        assert!(with_keys(&plan, private, &memory, &Keys::new()).is_err());
        (memory.log.take(), memory.seen.take(), memory.checkpoint.take())
    };
    assert!(left(&table(400)) == left(&Table::new(3, Vec::new())));
}

/// Whenever a whole job is cut off, with stage 2 or without, it ends where one without crashes does.
#[test]
fn a_measured_run_with_crashes_ends_where_a_run_without_does() {
    let private = table(400);
    let same = |a: &Outcome, b: &Outcome| {
        a.distribution == b.distribution
            && learnt(a).weights == learnt(b).weights
            && synthetic(a).iter().flatten().eq(synthetic(b).iter().flatten())
            && a.drawn.iter().map(|drawn| drawn.distance).eq(b.drawn.iter().map(|drawn| drawn.distance))
    };
    for without_stage2 in [true, false] {
        let plan = plan(&schema(), 400, 30, &measured(Generator::Auto, without_stage2));
        let calm = attempt(&plan, &private, &Memory::default()).unwrap();
        let (memory, mut crashes) = (Memory::default(), 0);
        let stormy = loop {
            memory.pulses.set(Some(3 + 4 * crashes));
            match attempt(&plan, &private, &memory) {
                Ok(outcome) => break outcome,
                Err(EngineError::Halt(Halt::Cancelled)) => crashes += 1,
                Err(other) => panic!("{other}"),
            }
        };
        assert!(crashes > 3 && same(&calm, &stormy), "without stage 2: {without_stage2}");
        assert_eq!(opened(&memory), 2, "the first attempt did not end its measurement, the second did");
    }
}

/// Checkpoints of other jobs and damaged ones end the attempt before anything is charged.
#[test]
fn another_jobs_checkpoint_ends_the_attempt() {
    let (plan, private) = (measured_plan(), table(400));
    let memory = Memory::default();
    attempt(&plan, &private, &memory).unwrap();
    let whole = memory.checkpoint.take().unwrap();
    let mut other_kind = whole.clone();
    other_kind[0] = b'X';
    let mut too_long = whole.clone();
    too_long[1..9].fill(0xff);
    for bytes in
        [Vec::new(), b"{}\n".to_vec(), whole[..30].to_vec(), other_kind, too_long, b"K\x01\0\0\0\0\0\0\0k".to_vec()]
    {
        let memory = Memory::default();
        *memory.checkpoint.borrow_mut() = Some(bytes.clone());
        let error = attempt(&plan, &private, &memory).err().unwrap();
        assert!(matches!(error, EngineError::Opening(_)), "{error}");
        assert!(memory.log.borrow().is_empty());
    }
    // A distribution whose training is damaged is not measured again either.
    let memory = Memory::default();
    *memory.checkpoint.borrow_mut() = Some(whole[..whole.len() - 1].to_vec());
    assert!(matches!(attempt(&plan, &private, &memory), Err(EngineError::Checkpoint(_))));
    assert!(memory.log.borrow().is_empty());
}
