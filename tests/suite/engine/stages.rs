//! Rows of stage 1 alone: wanted or not, the job is the same, and they know nothing of private rows.

use dp2stage::engine::{EngineError, Halt, Job, Outcome, Plan, Stage, run};
use dp2stage::tabular::{Schema, Table};

use super::{Memory, constant_key, learnt, plan, schema, short, synthetic, table};

fn attempt(plan: &Plan, schema: &Schema, private: &Table, memory: &Memory) -> Result<Outcome, EngineError> {
    run(
        &Job { plan, schema, private, public: None, ready: None, persons: None, real: None },
        &memory.host(),
        &constant_key,
    )
}

fn wished() -> (Schema, Plan, Plan) {
    let schema = schema();
    let plain = plan(&schema, 300, 200, &short());
    let mut wished = plain.clone();
    wished.report.stages = true;
    (schema, plain, wished)
}

#[test]
fn rows_of_stage_one_do_not_depend_on_private_rows() {
    let (schema, _, wished) = wished();
    let outcomes = [table(300), Table::new(3, vec![1; 900])]
        .map(|private| attempt(&wished, &schema, &private, &Memory::default()).unwrap());
    let [one, other] = outcomes.each_ref().map(|outcome| outcome.stage_one.as_ref().unwrap());
    assert_eq!(one.rows(), 200);
    assert!(one.iter().eq(other.iter()), "stage 1 saw no private row");
    let [one, other] = outcomes.each_ref().map(synthetic);
    assert!(!one.iter().eq(other.iter()), "stage 2 did");
}

#[test]
fn a_job_is_the_same_whether_they_are_wanted_or_not() {
    let (schema, plain, wished) = wished();
    let (private, memory) = (table(300), Memory::default());
    let without = attempt(&plain, &schema, &private, &Memory::default()).unwrap();
    let with = attempt(&wished, &schema, &private, &memory).unwrap();
    assert!(without.stage_one.is_none());
    assert_eq!(learnt(&without).weights, learnt(&with).weights);
    assert!(synthetic(&without).iter().eq(synthetic(&with).iter()));
    let stages: Vec<Stage> = memory.seen.borrow().iter().map(|progress| progress.stage).collect();
    let first = |wanted: Stage| stages.iter().position(|&stage| stage == wanted).unwrap();
    let last = |wanted: Stage| stages.iter().rposition(|&stage| stage == wanted).unwrap();
    assert!(last(Stage::Stage2) < first(Stage::Generate), "a job does not seem to write before it has learnt");
    assert!(last(Stage::Stage1) < first(Stage::Stage2));
}

#[test]
fn an_attempt_that_begins_after_stage_one_has_none() {
    let (schema, _, wished) = wished();
    let (private, memory) = (table(300), Memory::default());
    memory.claims.set(Some(2));
    let cut = attempt(&wished, &schema, &private, &memory).err().unwrap();
    assert!(matches!(cut, EngineError::Halt(Halt::ReservationExhausted)));
    memory.claims.set(None);
    let outcome = attempt(&wished, &schema, &private, &memory).unwrap();
    assert!(outcome.stage_one.is_none());
    assert_eq!(synthetic(&outcome).rows(), 200);
}
