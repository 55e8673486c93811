//! Figures that are bought: what one row can move, what comes out without noise and with it.

use dp2stage::marginals::Refused;
use dp2stage::report::released::{
    Marks, Noisy, PROBABILITY_BINS, RealRows, ReleasedFigures, ReleasedPart, Till, grades, released,
};
use dp2stage::report::{Prediction, Section, Tables, TargetUtility, one_way, two_way, utility};
use dp2stage::tabular::{Code, MISSING, Schema, Table};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use rand_distr::{Distribution, Normal};

use super::tables::{categories, filled, hash, integers};

const PARTS: [ReleasedPart; 4] = [ReleasedPart::Rows, ReleasedPart::Columns, ReleasedPart::Pairs, ReleasedPart::Target];

/// A number, three categories that may be missing, and some classes that hang together with both.
fn schema(classes: usize) -> Schema {
    let columns = vec![integers("n", 0, 99, false), categories("c", 3, true), categories("t", classes, false)];
    Schema::new(columns, Some(2), None).unwrap()
}

fn rows(count: usize, from: usize, classes: u32) -> Table {
    filled(3, count, |i, j| {
        let class = hash(from + i, 1) as u32 % classes;
        match j {
            0 => (hash(from + i, 2) as u32 % 60) + 30 * class / (classes - 1).max(1),
            1 if hash(from + i, 3).is_multiple_of(9) => MISSING,
            1 => {
                if hash(from + i, 4).is_multiple_of(3) {
                    hash(from + i, 5) as u32 % 3
                } else {
                    class % 3
                }
            }
            _ => class,
        }
    })
}

/// A part's counts as they came, with the sensitivity that was told, and what was answered.
struct Reading {
    part: ReleasedPart,
    exact: Vec<i64>,
    sensitivity: u32,
    answer: Vec<i64>,
}

/// Writes down what it is asked; answers with noise of some deviation, or as another recorder did.
struct Recorder {
    deviation: f64,
    rng: ChaCha20Rng,
    replayed: Vec<Vec<i64>>,
    readings: Vec<Reading>,
}

impl Recorder {
    fn new(deviation: f64, seed: u64) -> Self {
        Self { deviation, rng: ChaCha20Rng::seed_from_u64(seed), replayed: Vec::new(), readings: Vec::new() }
    }

    fn replay(other: &Self) -> Self {
        Self { replayed: other.readings.iter().map(|r| r.answer.clone()).collect(), ..Self::new(other.deviation, 0) }
    }
}

impl Till for Recorder {
    fn release(&mut self, part: ReleasedPart, counts: &mut [i64], sensitivity: u32) -> Result<f64, Refused> {
        assert!(self.readings.iter().all(|reading| reading.part != part), "{part:?} is released twice");
        let exact = counts.to_vec();
        match self.replayed.get(self.readings.len()) {
            Some(answer) => counts.copy_from_slice(answer),
            None if self.deviation > 0.0 => {
                let noise = Normal::new(0.0, self.deviation).unwrap();
                counts.iter_mut().for_each(|count| *count += noise.sample(&mut self.rng).round() as i64);
            }
            None => {}
        }
        self.readings.push(Reading { part, exact, sensitivity, answer: counts.to_vec() });
        Ok(self.deviation)
    }

    fn has(&self, _: ReleasedPart) -> bool {
        true
    }
}

fn bought(schema: &Schema, real: (&Table, &Table), synthetic: &Table, till: &mut Recorder) -> ReleasedFigures {
    let real = RealRows { train: real.0, held_out: real.1 };
    released(schema, real, synthetic, (till, (0.1, 1e-6))).unwrap()
}

fn without(table: &Table, row: usize) -> Table {
    let mut less = Table::new(table.width(), Vec::new());
    (0..table.rows()).filter(|&at| at != row).for_each(|at| less.push(table.row(at)));
    less
}

/// Whatever is asked of real rows moves by at most the stated sensitivity when one of them goes, held out or not; and
/// everything is asked in both worlds, in the same order and size.
#[test]
fn one_row_moves_no_count_by_more_than_its_sensitivity() {
    for classes in [2, 4] {
        let (schema, synthetic) = (schema(classes), rows(150, 9000, classes as u32));
        let (train, held_out) = (rows(200, 0, classes as u32), rows(90, 5000, classes as u32));
        let mut with = Recorder::new(3.0, 1);
        bought(&schema, (&train, &held_out), &synthetic, &mut with);
        assert_eq!(with.readings.iter().map(|r| r.part).collect::<Vec<_>>(), PARTS);
        let mut moved = [0.0f64; 4];
        let worlds = (0..200).step_by(7).map(|row| (without(&train, row), held_out.clone()));
        let others = (0..90).step_by(7).map(|row| (train.clone(), without(&held_out, row)));
        for (train, held_out) in worlds.chain(others) {
            let mut less = Recorder::replay(&with);
            bought(&schema, (&train, &held_out), &synthetic, &mut less);
            for (at, (a, b)) in with.readings.iter().zip(&less.readings).enumerate() {
                assert_eq!((a.part, a.exact.len(), a.sensitivity), (b.part, b.exact.len(), b.sensitivity));
                let square: i64 = a.exact.iter().zip(&b.exact).map(|(a, b)| (a - b).pow(2)).sum();
                let distance = (square as f64).sqrt();
                assert!(distance <= f64::from(a.sensitivity), "{:?}: {distance} > {}", a.part, a.sensitivity);
                moved[at] = moved[at].max(distance / f64::from(a.sensitivity));
            }
        }
        // The bounds are not idle ones (three columns move by at most 1.73 of 2).
        assert!(moved.iter().all(|moved| *moved > 0.5), "{moved:?}");
    }
}

/// With the answers of the till fixed, nothing else of the real rows reaches the document.
#[test]
fn the_document_is_a_function_of_the_answers_alone() {
    let (schema, synthetic) = (schema(2), rows(150, 9000, 2));
    let mut with = Recorder::new(2.0, 3);
    let first = bought(&schema, (&rows(400, 0, 2), &rows(300, 5000, 2)), &synthetic, &mut with);
    let mut replayed = Recorder::replay(&with);
    let nobody = Table::new(3, Vec::new());
    assert_eq!(bought(&schema, (&rows(7, 70_000, 2), &nobody), &synthetic, &mut replayed), first);
    let json = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<ReleasedFigures>(&json).unwrap(), first);
}

fn both(a: &Table, b: &Table) -> Table {
    let mut all = a.clone();
    b.iter().for_each(|row| all.push(row));
    all
}

fn of_target(utility: &TargetUtility) -> (f64, Option<f64>, f64, f64) {
    match utility.prediction.measured().unwrap() {
        Prediction::Classification(found) => {
            let scores = &found.boosting.synthetic;
            (scores.roc_auc, scores.f1, scores.macro_f1, scores.accuracy)
        }
        Prediction::Regression(_) => panic!("a class"),
    }
}

/// Without noise the figures are the custodian's own, but for the bins of probability and whole rows.
#[test]
fn without_noise_the_figures_are_the_exact_ones() {
    for classes in [2, 4] {
        let (schema, synthetic) = (schema(classes), rows(2500, 9000, classes as u32));
        let (train, held_out) = (rows(2000, 0, classes as u32), rows(1500, 5000, classes as u32));
        let found = bought(&schema, (&train, &held_out), &synthetic, &mut Recorder::new(0.0, 0));
        let real = both(&train, &held_out);
        let exact = one_way(&schema, &real, &synthetic);
        // A bin of 3,500 rows loses less than one of them.
        let near = |a: f64, b: f64, within: f64| assert!((a - b).abs() <= within, "{a} and {b}");
        near(found.one_way.value, exact.mean, 23.0 / 3500.0);
        for (noisy, exact) in found.columns.iter().zip(&exact.columns) {
            assert_eq!(noisy.column, exact.column);
            near(noisy.intersection.value, exact.intersection, 21.0 / 3500.0);
        }
        let pairs = two_way(&schema, &real, &synthetic).unwrap().mean;
        near(found.two_way.measured().unwrap().value, pairs, 90.0 / 3500.0);
        let tables = Tables { schema: &schema, train: &train, held_out: &held_out, synthetic: &synthetic };
        let (area, f1, macro_f1, accuracy) = of_target(&utility(2, tables));
        let target = found.target.measured().unwrap();
        assert_eq!((found.rows.value, target.held_out_rows.value), (3500.0, 1500.0));
        near(target.accuracy.value, accuracy, 1e-9);
        near(target.macro_f1.value, macro_f1, 1e-9);
        assert_eq!(target.f1.is_some(), classes == 2);
        if classes == 2 {
            near(target.f1.unwrap().value, f1.unwrap(), 1e-9);
            near(target.roc_auc.unwrap().value, area, 0.004);
        }
    }
}

/// In 300 worlds of noise the intervals hold the exact figures about as often as they say.
#[test]
fn intervals_hold_the_exact_figures() {
    let (schema, synthetic) = (schema(2), rows(2500, 9000, 2));
    let (train, held_out) = (rows(2000, 0, 2), rows(1500, 5000, 2));
    let of = |deviation, seed| {
        let found = bought(&schema, (&train, &held_out), &synthetic, &mut Recorder::new(deviation, seed));
        let target = found.target.measured().unwrap().clone();
        let means = [found.rows, found.one_way, found.columns[0].intersection, *found.two_way.measured().unwrap()];
        let scores = [target.roc_auc.unwrap(), target.f1.unwrap(), target.macro_f1, target.accuracy];
        [&means[..], &scores].concat()
    };
    let (exact, worlds) = (of(0.0, 0), 300);
    let mut held = vec![0; exact.len()];
    for seed in 1..=worlds {
        for (held, (noisy, exact)) in held.iter_mut().zip(of(12.0, seed).iter().zip(&exact)) {
            assert!(noisy.low <= noisy.value && noisy.value <= noisy.high);
            *held += usize::from(noisy.low <= exact.value && exact.value <= noisy.high);
        }
    }
    // 19 of 20 are 285; five deviations less are 266. Those of overlaps are on the safe side.
    assert!(held.iter().all(|held| *held >= 266), "{held:?}");
}

/// What is drowned by noise is not shown, and nothing is beyond its domain.
#[test]
fn noise_that_drowns_everything_says_so() {
    let (schema, synthetic) = (schema(2), rows(50, 9000, 2));
    let real = (rows(30, 0, 2), rows(20, 5000, 2));
    for seed in 0..40 {
        let found = bought(&schema, (&real.0, &real.1), &synthetic, &mut Recorder::new(5000.0, seed));
        assert!(matches!(&found.target, Section::Absent { absent } if absent.contains("noise")) || seed > 0);
        let shares = found.columns.iter().map(|c| c.intersection).chain([found.one_way]);
        let fits = |noisy: Noisy| [noisy.value, noisy.low, noisy.high].iter().all(|x| (0.0..=1.0).contains(x));
        assert!(shares.into_iter().chain(found.two_way.measured().copied()).all(fits));
        assert!(found.rows.low >= 0.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The area under the curve of marks is that of ranks with ties, for whatever counts.
    #[test]
    fn the_area_of_marks_is_that_of_ranks(counts in prop::collection::vec((1i64..50, 1i64..50), PROBABILITY_BINS)) {
        let edges: Vec<f64> = (1..PROBABILITY_BINS).map(|k| k as f64 / PROBABILITY_BINS as f64).collect();
        let marks = Marks::Binary { edges, positive: 1 as Code };
        let flat: Vec<i64> = counts.iter().flat_map(|&(no, yes)| [no, yes]).collect();
        let (mut truth, mut scores) = (Vec::new(), Vec::new());
        for (bin, &(no, yes)) in counts.iter().enumerate() {
            truth.extend((0..no).map(|_| false).chain((0..yes).map(|_| true)));
            scores.extend((0..no + yes).map(|_| bin as f64));
        }
        let exact = dp2stage::report::roc_auc(&truth, &scores).unwrap();
        let found = grades(&marks, &flat, 0.0).unwrap();
        prop_assert!((found.roc_auc.unwrap().value - exact).abs() < 1e-9);
        let guessed = scores.iter().zip(&truth).filter(|(score, truth)| (**score >= 10.0) == **truth).count();
        prop_assert!((found.accuracy.value - guessed as f64 / truth.len() as f64).abs() < 1e-9);
    }
}

/// A target of one class among synthetic rows, empty tables, a wide row of chance: nothing panics.
#[test]
fn odd_tables_give_a_document_too() {
    let (schema, nobody) = (schema(2), Table::new(3, Vec::new()));
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let one_class = filled(3, 40, |i, j| [i as Code, 1, 0][j]);
    for synthetic in [&nobody, &one_class, &rows(1, 3, 2)] {
        for real in [(&nobody, &nobody), (&one_class, &nobody), (&nobody, &one_class)] {
            bought(&schema, real, synthetic, &mut Recorder::new(rng.random_range(0.0..9.0), 1));
        }
    }
}
