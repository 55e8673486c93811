//! Whole attempts against a host in memory: order of events, crashes, validity, learning.

use dp2stage::engine::{
    ADAPTER, Averaging, Descent, EngineError, Halt, Job, LORA, Outcome, Overrides, Plan, Stage, run, system_key,
};
use dp2stage::model::{Layout, Trained, read_weights};
use dp2stage::tabular::{MISSING, Schema, Table};

use super::{Memory, constant_key, learnt, plan, schema, short, synthetic, table};

fn attempt(plan: &Plan, schema: &Schema, private: &Table, memory: &Memory) -> Result<Outcome, EngineError> {
    run(
        &Job { plan, schema, private, public: None, ready: None, persons: None, real: None },
        &memory.host(),
        &constant_key,
    )
}

fn same(a: &Outcome, b: &Outcome) -> bool {
    learnt(a).weights == learnt(b).weights && synthetic(a).iter().flatten().eq(synthetic(b).iter().flatten())
}

#[test]
fn every_block_is_claimed_before_and_saved_after_it_runs() {
    let (schema, private, memory) = (schema(), table(300), Memory::default());
    let plan = plan(&schema, 300, 20, &short());
    let outcome = attempt(&plan, &schema, &private, &memory).unwrap();
    assert_eq!(synthetic(&outcome).rows(), 20);
    let mut expected = vec!["save".to_owned()];
    for block in 0..plan.private.unwrap().blocks {
        expected.extend([format!("claim {block}"), "save".to_owned()]);
    }
    assert_eq!(*memory.log.borrow(), expected);
    let steps: Vec<u32> = memory.seen.borrow().iter().filter(|p| p.stage == Stage::Stage2).map(|p| p.step).collect();
    assert_eq!(steps, (0..plan.private.unwrap().steps()).collect::<Vec<_>>());
}

#[test]
fn a_key_is_made_only_after_the_claim_and_one_for_each_block() {
    let (schema, private, memory) = (schema(), table(50), Memory::default());
    let plan = plan(&schema, 50, 20, &short());
    let key = || {
        memory.note("key".into());
        constant_key()
    };
    run(
        &Job { plan: &plan, schema: &schema, private: &private, public: None, ready: None, persons: None, real: None },
        &memory.host(),
        &key,
    )
    .unwrap();
    let log = memory.log.borrow();
    let claims = log.windows(2).filter(|pair| pair[0].starts_with("claim") && pair[1] == "key").count();
    assert_eq!(claims, plan.private.unwrap().blocks as usize);
    assert_eq!(log.iter().filter(|line| *line == "key").count(), claims + 2, "one more for stage 1, one to generate");
}

#[test]
fn a_run_with_crashes_ends_where_a_run_without_does() {
    let (schema, private) = (schema(), table(300));
    let plan = plan(&schema, 300, 50, &short());
    let calm = attempt(&plan, &schema, &private, &Memory::default()).unwrap();
    let memory = Memory::default();
    let mut crashes = 0;
    let stormy = loop {
        memory.pulses.set(Some(7 + crashes));
        match attempt(&plan, &schema, &private, &memory) {
            Ok(outcome) => break outcome,
            Err(EngineError::Halt(Halt::Cancelled)) => crashes += 1,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(crashes > 3);
    assert!(same(&calm, &stormy));
    let claims = memory.log.borrow().iter().filter(|line| line.starts_with("claim")).count();
    assert!(claims > plan.private.unwrap().blocks as usize, "a block that was cut off is claimed again");
}

#[test]
fn without_a_claim_there_is_no_outcome() {
    let (schema, private, memory) = (schema(), table(100), Memory::default());
    let plan = plan(&schema, 100, 20, &short());
    memory.claims.set(Some(2));
    let error = attempt(&plan, &schema, &private, &memory).err().unwrap();
    assert!(matches!(error, EngineError::Halt(Halt::ReservationExhausted)));
    assert_eq!(memory.log.borrow().iter().filter(|line| line.starts_with("claim")).count(), 2);
}

#[test]
fn nothing_private_is_read_before_the_first_claim() {
    let (schema, memory, other) = (schema(), Memory::default(), Memory::default());
    let plan = plan(&schema, 100, 20, &short());
    for (private, memory) in [(table(100), &memory), (Table::new(3, Vec::new()), &other)] {
        memory.claims.set(Some(0));
        assert!(attempt(&plan, &schema, &private, memory).is_err());
    }
    assert_eq!(*memory.checkpoint.borrow(), *other.checkpoint.borrow());
}

#[test]
fn the_table_does_not_depend_on_the_number_of_threads() {
    let (schema, private) = (schema(), table(300));
    let plan = plan(&schema, 300, 5000, &short());
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // The host is not shared between threads, so it is made where it is used.
        pool.install(|| attempt(&plan, &schema, &private, &Memory::default())).unwrap()
    };
    assert!(same(&with(1), &with(2)));
}

/// Strange numbers of private rows and strange rows end like any other: no error, valid rows.
#[test]
fn every_table_has_an_outcome_of_valid_rows() {
    let schema = schema();
    let plan = plan(&schema, 300, 300, &short());
    let tables = [
        Table::new(3, Vec::new()),
        table(1),
        table(2000),
        Table::new(3, [1, 2, MISSING].repeat(300)),
        Table::new(3, [u32::MAX - 1, 7, 99_999].repeat(300)),
    ];
    for private in tables {
        let outcome = attempt(&plan, &schema, &private, &Memory::default()).unwrap();
        assert_eq!(synthetic(&outcome).rows(), 300);
        for row in synthetic(&outcome).iter() {
            assert!(row[0] < 2 && row[1] < 3 && (row[2] < 1001 || row[2] == MISSING));
        }
    }
}

#[test]
fn weights_and_config_describe_the_model() {
    let (schema, private) = (schema(), table(100));
    let plan = plan(&schema, 100, 5, &short());
    let outcome = attempt(&plan, &schema, &private, &Memory::default()).unwrap();
    let p = read_weights(&Layout::new(&plan.model, &Trained::Full), &learnt(&outcome).weights).unwrap();
    assert!(p.iter().all(|x| x.is_finite()));
    assert_eq!(learnt(&outcome).config["n_embd"], plan.model.width);
    assert_eq!(learnt(&outcome).config["vocab_size"], plan.model.vocabulary);
}

/// What stage 2 trains: a crash resumes it, rows are valid, and the rest of the model is what stage 1
/// left.
#[test]
fn whatever_is_trained_runs_resumes_and_leaves_the_rest_alone() {
    let (schema, private) = (schema(), table(300));
    let alone = |trained| {
        let plan = plan(&schema, 300, 40, &Overrides { trained, ..short() });
        let calm = Memory::default();
        let outcome = attempt(&plan, &schema, &private, &calm).unwrap();
        let memory = Memory::default();
        memory.pulses.set(Some(25)); // inside stage 2
        assert!(attempt(&plan, &schema, &private, &memory).is_err());
        memory.pulses.set(None);
        assert!(same(&outcome, &attempt(&plan, &schema, &private, &memory).unwrap()), "{trained:?}");
        assert!(synthetic(&outcome).iter().all(|row| row[0] < 2 && row[1] < 3 && (row[2] < 1001 || row[2] == MISSING)));
        (plan, outcome)
    };
    let (plan, _) = alone(Trained::Full);
    let full = Layout::new(&plan.model, &Trained::Full);
    let plain = |trained: Trained, outcome: &Outcome| {
        let released = if trained == LORA { Trained::Full } else { trained };
        read_weights(&Layout::new(&plan.model, &released), &learnt(outcome).weights).unwrap()[..full.len()].to_vec()
    };
    // Under one constant key stage 1 always leaves the same.
    let (_, heads) = alone(Trained::Heads);
    let (_, adapter) = alone(ADAPTER);
    let (_, lora) = alone(LORA);
    let stage1 = plain(Trained::Heads, &heads);
    assert_eq!(stage1, plain(ADAPTER, &adapter));
    let merged = plain(LORA, &lora);
    for tensor in full.tensors() {
        let is_updated = tensor.shape.len() == 2 && tensor.name.starts_with("h.");
        let same = stage1[tensor.range.clone()] == merged[tensor.range.clone()];
        assert_eq!(same, !is_updated, "{}", tensor.name);
    }
    assert_eq!(learnt(&heads).config["tie_word_embeddings"], false);
    assert_eq!(learnt(&lora).config["tie_word_embeddings"], true);
    assert_eq!(learnt(&adapter).config["dp2stage"]["adapter_width"], 16);
}

/// Every optimiser, with and without an average: whenever it is cut off, inside a block, at the end or after
/// it, a run ends where one without crashes does; and each way of training leads somewhere else.
#[test]
fn every_optimiser_and_average_resumes_where_it_was() {
    let (schema, private) = (schema(), table(300));
    let sgd = Descent::Sgd { momentum: 0.5 };
    let (tail, decay) = (Averaging::Tail { share: 0.5 }, Averaging::Exponential { decay: 0.9 });
    let ways = [(Descent::Adam, None), (sgd, None), (Descent::Adam, Some(tail)), (sgd, Some(tail)), (sgd, Some(decay))];
    let mut seen: Vec<Outcome> = Vec::new();
    for (descent, average) in ways {
        let plan = plan(&schema, 300, 40, &Overrides { descent, average, ..short() });
        let calm = attempt(&plan, &schema, &private, &Memory::default()).unwrap();
        let first = plan.public.steps + 1;
        for cut in [first + 4, first + plan.private.unwrap().steps() / 2, first + plan.private.unwrap().steps()] {
            let memory = Memory::default();
            memory.pulses.set(Some(cut - 1));
            assert!(attempt(&plan, &schema, &private, &memory).is_err());
            memory.pulses.set(None);
            assert!(same(&calm, &attempt(&plan, &schema, &private, &memory).unwrap()), "{descent:?} {average:?} {cut}");
        }
        assert!(seen.iter().all(|other| learnt(other).weights != learnt(&calm).weights), "{descent:?} {average:?}");
        seen.push(calm);
    }
}

#[test]
fn another_jobs_checkpoint_ends_the_attempt() {
    let (schema, private, memory) = (schema(), table(100), Memory::default());
    let plan = plan(&schema, 100, 5, &short());
    *memory.checkpoint.borrow_mut() = Some(b"{}\n".to_vec());
    assert!(matches!(attempt(&plan, &schema, &private, &memory), Err(EngineError::Checkpoint(_))));
}

/// With a real key, at a fraction of the default work: columns and their dependence are learnt.
#[test]
fn a_private_run_learns_what_hangs_together() {
    learns(&Overrides::default());
}

/// So they are by gradient descent at the learning rate that a plan chooses for it.
#[test]
fn so_does_one_by_descent_with_an_average() {
    learns(&Overrides {
        descent: Descent::Sgd { momentum: 0.9 },
        average: Some(Averaging::Exponential { decay: 0.9 }),
        ..Overrides::default()
    });
}

fn learns(overrides: &Overrides) {
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
    let fast = Overrides { steps: Some(60), expected_batch: Some(600.0), ..*overrides };
    let plan = plan(&schema, 6000, 4000, &fast);
    let job =
        Job { plan: &plan, schema: &schema, private: &private, public: None, ready: None, persons: None, real: None };
    let outcome = run(&job, &Memory::default().host(), &system_key).unwrap();
    for (i, fact) in facts.into_iter().enumerate() {
        let (real, made) = (share(&private, fact), share(synthetic(&outcome), fact));
        println!("fact {i}: {real:.3} real, {made:.3} synthetic");
        assert!((real - made).abs() < 0.08, "fact {i}: {real:.3} real, {made:.3} synthetic");
    }
}
