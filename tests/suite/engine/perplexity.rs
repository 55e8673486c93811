//! Perplexity is made of probabilities: over all rows there can be, they add up to 1.

use dp2stage::engine::{Facts, Job, Overrides, Plan, Source, codec, perplexity, run};
use dp2stage::marginals::Distribution;
use dp2stage::privacy::{Delta, Epsilon};
use dp2stage::tabular::{Column, Domain, Grid, GridKind, MISSING, Schema, Table};

use super::{Memory, categories, constant_key};

/// Three categories that may be missing, 150 whole numbers around zero, which are cut into bins, and two classes.
fn small() -> Schema {
    let grid = Grid::new(GridKind::Integer, -30, 119, 1, 0).unwrap();
    let number = Column { name: "n".into(), domain: Domain::Grid(grid), nullable: false };
    Schema::new(vec![categories("y", 2, false), categories("a", 3, true), number], Some(0), Some(1)).unwrap()
}

fn rows_there_can_be() -> Vec<[u32; 3]> {
    let with = |y: u32| [0, 1, 2, MISSING].into_iter().flat_map(move |a| (0..150).map(move |n| [y, a, n]));
    (0..2).flat_map(with).collect()
}

fn adds_up(source: Source) {
    let schema = small();
    let mut table = Table::new(3, Vec::new());
    (0..400u32).for_each(|i| table.push(&[i % 2, i % 3, 30 + 20 * (i % 2) + i % 17]));
    let facts = Facts {
        schema: &schema,
        rows_public: 400,
        persons: None,
        epsilon: Epsilon::new(3.0).unwrap(),
        delta: Delta::new(1e-5).unwrap(),
        rows: 20,
        base: None,
    };
    let overrides = Overrides { source, steps: Some(8), public_steps: Some(30), ..Overrides::default() };
    let plan = Plan::new(&facts, &overrides).unwrap();
    let job =
        Job { plan: &plan, schema: &schema, private: &table, public: None, ready: None, persons: None, real: None };
    let outcome = run(&job, &Memory::default().host(), &constant_key).unwrap();
    let distribution = outcome.distribution.map(|bytes| Distribution::from_bytes(&bytes).unwrap());
    let (codec, learnt) = (codec(&plan, &schema, None).unwrap(), outcome.model.unwrap());
    let of = |rows: Table| perplexity((&plan, &schema, &codec), &learnt, distribution.as_ref(), &rows);
    assert_eq!(of(Table::new(3, Vec::new())), None);
    let all = rows_there_can_be();
    let whole: f64 = all.iter().map(|row| of(Table::new(3, row.to_vec())).unwrap().powi(-3)).sum();
    // A model of bins may give a little to bins that the measurement did not make.
    assert!((0.97..1.0001).contains(&whole), "{source:?}: {whole}");
    let mean = of(table.clone()).unwrap();
    assert!(mean > 1.0 && mean < 1200f64.cbrt() * 1.05, "{source:?}: {mean}");
}

#[test]
fn probabilities_of_all_rows_add_up_for_a_model_of_tokens() {
    adds_up(Source::Uniform);
}

#[test]
fn probabilities_of_all_rows_add_up_for_a_model_of_bins() {
    adds_up(Source::Marginal);
}
