//! Tests of `engine`: what a private step releases, what a plan promises, and runs with crashes.

mod audit;
mod canaries;
mod checkpoints;
mod measured;
mod mechanism;
mod memorised;
mod memory;
mod neighbours;
mod opening;
mod optimiser;
mod perplexity;
mod persons;
mod plans;
mod release;
mod rules;
mod runs;
mod sources;
mod stages;
mod unconstrained;
mod writing;

use std::cell::{Cell, RefCell};

use dp2stage::engine::{
    Facts, Halt, Host, Learnt, Meter, Outcome, Overrides, PersonUnit, Plan, Progress, Stop, Streams, Vault,
};
use dp2stage::privacy::{Delta, Epsilon, Purpose};
use dp2stage::tabular::{Column, Domain, Grid, GridKind, MISSING, Schema, Table};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

fn categories(name: &str, count: usize, nullable: bool) -> Column {
    let names = (0..count).map(|i| format!("{name}{i}")).collect();
    Column { name: name.into(), domain: Domain::Categories(names), nullable }
}

/// Three categories, a grid of 1,001 values around zero that may be missing, and two classes.
fn schema() -> Schema {
    let grid = Grid::new(GridKind::Integer, -200, 800, 1, 0).unwrap();
    let number = Column { name: "n".into(), domain: Domain::Grid(grid), nullable: true };
    Schema::new(vec![categories("y", 2, false), categories("a", 3, false), number], Some(0), Some(1)).unwrap()
}

/// Rows in which everything hangs together.
fn table(rows: usize) -> Table {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut table = Table::new(3, Vec::new());
    for _ in 0..rows {
        let y = u32::from(rng.random::<f32>() < 0.25);
        let a = if rng.random::<f32>() < 0.9 { y } else { 2 };
        let n = if rng.random::<f32>() < 0.1 { MISSING } else { 200 + 300 * y + rng.random_range(0..100) };
        table.push(&[y, a, n]);
    }
    table
}

fn facts(schema: &Schema, rows_public: u64, persons: Option<PersonUnit>, rows: u64) -> Facts<'_> {
    let (epsilon, delta) = (Epsilon::new(3.0).unwrap(), Delta::new(1e-5).unwrap());
    Facts { schema, rows_public, persons, epsilon, delta, rows, base: None }
}

fn plan(schema: &Schema, rows_public: u64, rows: u64, overrides: &Overrides) -> Plan {
    Plan::new(&facts(schema, rows_public, None, rows), overrides).unwrap()
}

/// The synthetic rows.
fn synthetic(outcome: &Outcome) -> &Table {
    &outcome.drawn[0].rows
}

/// The language model of a job that trains one.
fn learnt(outcome: &Outcome) -> &Learnt {
    outcome.model.as_ref().unwrap()
}

fn short() -> Overrides {
    Overrides { steps: Some(12), expected_batch: Some(40.0), ..Overrides::default() }
}

/// A key that every call makes anew and that is always the same: for comparing runs.
struct Constant(u64);

impl Streams for Constant {
    fn stream(&self, purpose: Purpose, step: u64) -> ChaCha20Rng {
        let mut stream = ChaCha20Rng::seed_from_u64(self.0);
        stream.set_stream((purpose as u64) << 56 | step);
        stream
    }
}

fn constant_key() -> Box<dyn Streams> {
    Box::new(Constant(5))
}

/// A host in memory that writes down what it was asked, and can be told to end an attempt.
#[derive(Default)]
struct Memory {
    log: RefCell<Vec<String>>,
    checkpoint: RefCell<Option<Vec<u8>>>,
    /// Openings left before the worker drains.
    openings: Cell<Option<u32>>,
    /// Claims left before the reservation is exhausted.
    claims: Cell<Option<u32>>,
    /// Pulses left before the attempt is cancelled.
    pulses: Cell<Option<u32>>,
    seen: RefCell<Vec<Progress>>,
}

impl Memory {
    fn host(&self) -> Host<'_> {
        Host { meter: self, vault: self, stop: self }
    }

    fn note(&self, what: String) {
        self.log.borrow_mut().push(what);
    }
}

fn use_up(left: &Cell<Option<u32>>, halt: Halt) -> Result<(), Halt> {
    match left.get() {
        Some(0) => Err(halt),
        Some(n) => {
            left.set(Some(n - 1));
            Ok(())
        }
        None => Ok(()),
    }
}

impl Meter for Memory {
    fn claim_opening(&self) -> Result<(), Halt> {
        use_up(&self.openings, Halt::Draining)?;
        self.note("open".into());
        Ok(())
    }

    fn claim_block(&self, block: u32) -> Result<(), Halt> {
        use_up(&self.claims, Halt::ReservationExhausted)?;
        self.note(format!("claim {block}"));
        Ok(())
    }
}

impl Vault for Memory {
    fn save(&self, checkpoint: &[u8]) -> Result<(), Halt> {
        self.note("save".into());
        *self.checkpoint.borrow_mut() = Some(checkpoint.to_vec());
        Ok(())
    }

    fn load(&self) -> Result<Option<Vec<u8>>, Halt> {
        Ok(self.checkpoint.borrow().clone())
    }
}

impl Stop for Memory {
    fn pulse(&self, progress: Progress) -> Result<(), Halt> {
        use_up(&self.pulses, Halt::Cancelled)?;
        self.seen.borrow_mut().push(progress);
        Ok(())
    }
}
