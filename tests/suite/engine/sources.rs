//! What stage 1 trains on, and jobs without stage 2.

use dp2stage::engine::{
    EngineError, Halt, Job, LORA, Machine, MemoryError, Outcome, Overrides, Plan, PublicTable, Source, Stage, fit,
    memory_bytes, run, system_key,
};
use dp2stage::privacy::{DpEvent, Work};
use dp2stage::tabular::{Codec, Compact, Likeness, MISSING, Schema, Table};
use uuid::Uuid;

use super::{Memory, categories, constant_key, learnt, plan, schema, short, synthetic, table};

fn free(steps: Option<u32>) -> Overrides {
    Overrides { source: Source::NonPrivate, public_steps: steps, without_stage2: true, ..Overrides::default() }
}

fn like(other: Option<(&Table, &Schema)>) -> Overrides {
    let named = |(table, schema): (&Table, &Schema)| PublicTable {
        dataset: Uuid::nil(),
        version: 1,
        rows: table.rows() as u64,
        columns: schema.width() as u64,
        alike: true,
    };
    Overrides { source: Source::Public, public_table: other.map(named), public_steps: Some(300), ..short() }
}

fn attempt(
    plan: &Plan,
    private: &Table,
    public: Option<(&Table, &Schema)>,
    memory: &Memory,
) -> Result<Outcome, EngineError> {
    let job = Job { plan, schema: &schema(), private, public, ready: None, persons: None, real: None };
    run(&job, &memory.host(), &constant_key)
}

fn share(table: &Table, fact: fn(&[u32]) -> bool) -> f64 {
    table.iter().filter(|row| fact(row)).count() as f64 / table.rows() as f64
}

const FACTS: [fn(&[u32]) -> bool; 5] = [
    |row| row[0] == 1,
    |row| row[0] == 1 && row[1] == 1,
    |row| row[0] == 0 && row[1] == 1,
    |row| row[2] == MISSING,
    |row| row[0] == 1 && (490..620).contains(&row[2]),
];

/// A plan without anything private: an event of nothing, work of nothing; one of old has a stage 2 and uniform
/// rows.
#[test]
fn a_plan_may_leave_either_stage_out() {
    let free = plan(&schema(), 5000, 100, &free(None));
    assert_eq!((free.private, free.event.clone(), free.work()), (None, DpEvent::nothing(), Work::nothing()));
    assert_eq!(free.mechanism(), None);
    let json = serde_json::to_value(&free).unwrap();
    assert_eq!((&json["source"], json.get("private")), (&"non_private".into(), None));
    assert_eq!(serde_json::from_value::<Plan>(json).unwrap(), free);

    let usual = plan(&schema(), 5000, 100, &Overrides::default());
    let mut old = serde_json::to_value(&usual).unwrap();
    assert_eq!(old.as_object_mut().unwrap().remove("source"), Some("uniform".into()));
    assert_eq!(serde_json::from_value::<Plan>(old).unwrap(), usual);
    let event = usual.work().event().loss().unwrap();
    assert_eq!(event, usual.event.loss().unwrap(), "what the ledger is told is what the plan says");

    let standard = plan(&schema(), 5000, 100, &Overrides { source: Source::None, ..short() });
    assert_eq!(standard.public.steps, 0);
    assert!(standard.private.is_some());
}

#[test]
fn stage_1_is_longer_on_rows_of_a_table() {
    let steps = |rows, source| plan(&schema(), rows, 10, &Overrides { source, ..short() }).public.steps;
    assert_eq!(steps(5000, Source::Uniform), 20);
    assert!(steps(5000, Source::Public) > 100);
    assert!(steps(5000, Source::NonPrivate) < steps(40_000, Source::NonPrivate), "so many passes");
    assert_eq!(steps(400_000, Source::NonPrivate), steps(4_000_000, Source::NonPrivate), "up to a bound");
    let wished = Overrides { public_steps: Some(7), ..free(None) };
    assert_eq!(plan(&schema(), 5000, 10, &wished).public.steps, 7);
}

/// A plan without stage 2 takes less memory; another table is counted.
#[test]
fn memory_follows_the_stages() {
    let codec = Codec::Compact(Compact::new(&schema()));
    let bytes = |overrides: &Overrides| memory_bytes(&plan(&schema(), 5000, 100, overrides), &codec, 2).unwrap();
    let big = PublicTable { dataset: Uuid::nil(), version: 1, rows: 1_000_000, columns: 10, alike: true };
    let (usual, long) = (bytes(&short()), Overrides { trained: LORA, ..short() });
    assert!(bytes(&Overrides { without_stage2: true, ..long }) < bytes(&long));
    let other = Overrides { source: Source::Public, public_table: Some(big), ..short() };
    assert!(bytes(&other) >= usual + 80_000_000);
    let machine = Machine { memory_bytes: 1, threads: 2 };
    let refused = fit(&plan(&schema(), 5000, 100, &free(None)), &codec, machine);
    let Err(MemoryError::TooLarge { largest, .. }) = refused else { panic!("it fits in a byte") };
    assert!(largest.trained.is_empty(), "no other stage 2 is of use where there is none");
}

/// Nothing is claimed; what there is to learn is learnt; whenever it is cut off it ends in the same place.
#[test]
fn a_run_without_privacy_learns_and_claims_nothing() {
    let (private, memory) = (table(6000), Memory::default());
    let plan = plan(&schema(), 6000, 4000, &free(Some(400)));
    let outcome = attempt(&plan, &private, None, &memory).unwrap();
    assert_eq!(*memory.log.borrow(), ["save"]);
    assert!(memory.seen.borrow().iter().all(|progress| progress.stage != Stage::Stage2));
    for fact in FACTS {
        let (real, made) = (share(&private, fact), share(synthetic(&outcome), fact));
        assert!((real - made).abs() < 0.04, "{real:.3} real, {made:.3} synthetic");
    }
    for cut in [100, 400] {
        let memory = Memory::default();
        memory.pulses.set(Some(cut));
        assert!(matches!(attempt(&plan, &private, None, &memory), Err(EngineError::Halt(Halt::Cancelled))));
        assert_eq!(memory.checkpoint.borrow().is_some(), cut == 400);
        memory.pulses.set(None);
        let again = attempt(&plan, &private, None, &memory).unwrap();
        assert!(learnt(&again).weights == learnt(&outcome).weights, "cut after {cut}");
    }
}

/// What stage 1 learnt of another table shows in the rows when stage 2 hardly moves.
#[test]
fn stage_1_learns_from_a_public_table() {
    let own = schema();
    let other =
        Schema::new(vec![categories("A", 3, false), own.columns()[2].clone(), categories(" Y ", 2, false)], None, None)
            .unwrap();
    let mut rows = Table::new(3, Vec::new());
    // `y` of the other table is named differently but for case and blanks, its categories are known by number.
    table(4000).iter().for_each(|row| rows.push(&[row[1], row[2], row[0]]));
    let nothing = Table::new(3, Vec::new());
    let wishes = Overrides { learning_rate: Some(1e-9), ..like(Some((&rows, &other))) };
    let plan = plan(&own, 6000, 4000, &wishes);
    let memory = Memory::default();
    let job = Job {
        plan: &plan,
        schema: &own,
        private: &nothing,
        public: Some((&rows, &other)),
        ready: None,
        persons: None,
        real: None,
    };
    let outcome = run(&job, &memory.host(), &system_key).unwrap();
    for fact in FACTS {
        let (real, made) = (share(&table(4000), fact), share(synthetic(&outcome), fact));
        assert!((real - made).abs() < 0.05, "{real:.3} real, {made:.3} synthetic");
    }
    assert!(memory.log.borrow().iter().any(|line| line == "claim 0"), "stage 2 is charged as ever");
}

/// A plan that names a table is not carried out without it, and private rows do not stand in for it.
#[test]
fn without_the_public_table_there_is_no_outcome() {
    let (private, memory) = (table(300), Memory::default());
    let plan = plan(&schema(), 300, 20, &like(None));
    assert!(matches!(attempt(&plan, &private, None, &memory), Err(EngineError::Public)));
    assert!(memory.log.borrow().is_empty());
}

/// Stage 1 on another table reads no private row: whatever they are, it leaves the same.
#[test]
fn stage_1_on_a_public_table_does_not_look_at_private_rows() {
    let (public, own) = (table(100), schema());
    let plan = plan(&own, 300, 20, &like(Some((&public, &own))));
    let left = |private: &Table| {
        let memory = Memory::default();
        memory.claims.set(Some(0));
        assert!(attempt(&plan, private, Some((&public, &own)), &memory).is_err());
        memory.checkpoint.take().unwrap()
    };
    assert!(left(&table(300)) == left(&Table::new(3, Vec::new())));
}

/// A table about something else is not dwelt on.
#[test]
fn a_strange_public_table_is_trained_on_for_a_moment() {
    let table = |alike| PublicTable { dataset: Uuid::nil(), version: 1, rows: 1000, columns: 3, alike };
    let steps = |alike| {
        let wishes = Overrides { source: Source::Public, public_table: Some(table(alike)), ..short() };
        plan(&schema(), 300, 60, &wishes).public.steps
    };
    assert_eq!((steps(true), steps(false)), (600, 20));
    let other = Schema::new(vec![categories("Y ", 5, false), categories("b", 3, true)], None, None).unwrap();
    assert!(Likeness::is_close(&schema(), &schema()) && !Likeness::is_close(&other, &schema()));
}
