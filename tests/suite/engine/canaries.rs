//! Canaries: a function of the plan, even and fair; densities of the distribution that score them add up to 1; and an
//! audit with them finds a run without privacy and not one of an epsilon of 1.

use dp2stage::engine::{Canaries, CanaryRows, Facts, Job, Outcome, Overrides, Plan, Source, codec, run, system_key};
use dp2stage::marginals::{BinRows, Distribution};
use dp2stage::privacy::{Delta, Epsilon};
use dp2stage::report::evidence::{CanaryAudit, canary_audit, cell_by_cell};
use dp2stage::tabular::{Schema, Table};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::{Memory, categories, facts, synthetic};

const COLUMNS: usize = 6;

fn schema() -> Schema {
    let columns = (0..COLUMNS).map(|i| categories(&format!("c{i}"), 10, i == 0)).collect();
    Schema::new(columns, None, None).unwrap()
}

fn canaries(count: u32) -> CanaryRows {
    Canaries { count, seed: [3; 32] }.draw(&schema())
}

#[test]
fn canaries_are_even_and_their_coins_are_fair() {
    let (schema, drawn) = (schema(), canaries(4000));
    for j in 0..COLUMNS {
        for code in 0..10 {
            let count = drawn.rows.column(j).filter(|&c| c == code).count();
            assert!((300..500).contains(&count), "value {code} of column {j}: {count} times");
        }
    }
    let inside = drawn.inside.iter().filter(|inside| **inside).count();
    assert!((1850..2150).contains(&inside), "{inside} of 4000");
    assert!(drawn.rows.iter().flatten().eq(canaries(4000).rows.iter().flatten()));
    assert_eq!(drawn.inside, canaries(4000).inside);
    let train = Table::new(COLUMNS, vec![0; 10 * COLUMNS]);
    let all = drawn.among(&train);
    assert_eq!(all.rows(), 10 + inside);
    assert!((0..10).all(|i| all.row(i) == train.row(i)));
    let first = drawn.inside.iter().position(|inside| *inside).unwrap();
    assert_eq!(all.row(10), drawn.rows.row(first));
    assert!(Canaries { count: 5, seed: [4; 32] }.draw(&schema).rows.row(0) != drawn.rows.row(0));
}

/// A run on 300 rows without any rule and on canaries, and what an audit finds.
fn audited(overrides: &Overrides, epsilon: f64) -> (CanaryAudit, Plan, Outcome) {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let train = Table::new(COLUMNS, (0..300 * COLUMNS).map(|_| rng.random_range(0..10)).collect());
    let (schema, drawn) = (schema(), canaries(200));
    let (epsilon, delta) = (Epsilon::new(epsilon).unwrap(), Delta::new(1e-5).unwrap());
    let facts = Facts { epsilon, delta, ..facts(&schema, 300, None, 1000) };
    let mut plan = Plan::new(&facts, overrides).unwrap();
    plan.public.batch = 64;
    let private = drawn.among(&train);
    let job =
        Job { plan: &plan, schema: &schema, private: &private, public: None, ready: None, persons: None, real: None };
    let outcome = run(&job, &Memory::default().host(), &system_key).unwrap();
    let codec = codec(&plan, &schema, None).unwrap();
    let (by, mut scores) = drawn.likelihoods((&plan, &schema, &codec), &outcome).unwrap();
    let usual = cell_by_cell(&schema, synthetic(&outcome), &drawn.rows);
    scores.iter_mut().zip(usual).for_each(|(score, usual)| *score -= usual);
    let audit = canary_audit((by, &scores), &drawn.inside, 1e-5).unwrap();
    println!("{:?}, epsilon {}: {audit:?}", overrides.source, facts.epsilon.get());
    (audit, plan, outcome)
}

#[test]
fn an_audit_refutes_a_run_without_privacy_and_not_one_with_it() {
    let free = Overrides {
        source: Source::NonPrivate,
        public_steps: Some(1500),
        without_stage2: true,
        ..Overrides::default()
    };
    let (audit, ..) = audited(&free, 1.0);
    assert_eq!((audit.scored_by.as_str(), audit.canaries, audit.guesses), ("model", 200, 80));
    assert!(audit.right.share > 0.9 && audit.epsilon_at_least > 1.5, "{audit:?}");
    assert!(audit.epsilon_at_least <= audit.epsilon_at_most && audit.epsilon_at_most < 4.0);

    let private = Overrides { steps: Some(60), ..Overrides::default() };
    let (audit, ..) = audited(&private, 1.0);
    assert!(audit.epsilon_at_least <= 1.0, "{audit:?}");

    let marginal = Overrides { source: Source::Marginal, without_stage2: true, ..Overrides::default() };
    let (audit, _, outcome) = audited(&marginal, 1.0);
    assert_eq!(audit.scored_by, "distribution");
    assert!(audit.epsilon_at_least <= 1.0, "{audit:?}");
    densities_add_up(&Distribution::from_bytes(&outcome.distribution.unwrap()).unwrap());
}

/// Over all rows of bins of the columns, the others fixed and summed out one by one, probabilities add up to 1.
fn densities_add_up(distribution: &Distribution) {
    let sizes = distribution.sizes();
    let all: usize = sizes.iter().product();
    let column = |j: usize| {
        let below: usize = sizes[..j].iter().product();
        (0..all).map(|i| (i / below % sizes[j]) as u16).collect()
    };
    let rows = BinRows { columns: (0..sizes.len()).map(column).collect() };
    let sum: f64 = distribution.log_densities(&rows).iter().map(|density| density.exp()).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{sum} over {all} rows");
}
