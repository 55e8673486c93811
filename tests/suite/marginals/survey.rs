//! A whole measurement: privacy first, then odd tables.

use dp2stage::marginals::{Axis, Distribution, Instrument, Phase, Recipe, Refused, Survey};
use rand::Rng;

use super::{Recorder, axis, recipe, rng, table};

fn carry_out(
    axes: &[Axis],
    columns: &[Vec<u32>],
    target: Option<usize>,
    instrument: &mut dyn Instrument,
) -> Distribution {
    let recipe = recipe();
    let survey = Survey { axes, target, recipe: &recipe };
    survey.carry_out(&|column| columns[column].clone(), instrument, &mut rng(5), &|_| Ok::<(), Refused>(())).unwrap()
}

fn without(columns: &[Vec<u32>], row: usize) -> Vec<Vec<u32>> {
    let drop = |column: &Vec<u32>| {
        let mut column = column.clone();
        column.remove(row);
        column
    };
    columns.iter().map(drop).collect()
}

/// Whatever is asked of the private rows moves by at most the stated sensitivity when one row goes. The answers are
/// the same in both worlds, so that all questions are, too.
#[test]
fn one_row_moves_no_reading_by_more_than_its_sensitivity() {
    let (axes, columns) = table(700, 1);
    let mut with = Recorder::new(2.0);
    carry_out(&axes, &columns, Some(0), &mut with);
    let mut moved = 0.0f64;
    for row in (0..700).step_by(37) {
        let mut less = Recorder::replay(&with);
        carry_out(&axes, &without(&columns, row), Some(0), &mut less);
        assert_eq!(less.readings.len(), with.readings.len());
        for (a, b) in with.readings.iter().zip(&less.readings) {
            let square: i64 = a.exact.iter().zip(&b.exact).map(|(a, b)| (a - b).pow(2)).sum();
            let distance = (square as f64).sqrt();
            assert!(distance <= f64::from(a.sensitivity), "{:?}: {distance} > {}", a.phase, a.sensitivity);
            moved = moved.max(distance / f64::from(a.sensitivity));
        }
    }
    // The bound is not an idle one.
    assert!(moved > 0.9, "{moved}");
}

/// With the answers of the instrument fixed, nothing else of the rows reaches the distribution: not a bit.
#[test]
fn the_distribution_is_a_function_of_the_readings_alone() {
    let (axes, columns) = table(700, 2);
    let mut with = Recorder::new(1.0);
    let first = carry_out(&axes, &columns, Some(0), &mut with);
    let (_, others) = table(300, 3);
    let mut replayed = Recorder::replay(&with);
    let second = carry_out(&axes, &others, Some(0), &mut replayed);
    assert!(first == second);
    assert_eq!(first.to_bytes(), second.to_bytes());
}

#[test]
fn no_phase_is_asked_for_more_than_it_has() {
    let (axes, columns) = table(2000, 4);
    let mut recorder = Recorder::new(0.5);
    carry_out(&axes, &columns, Some(0), &mut recorder);
    for phase in
        [Phase::Histograms, Phase::Scores(0), Phase::Tables(0), Phase::Scores(1), Phase::Tables(1), Phase::Labels]
    {
        let left = recorder.left(phase);
        assert!((-1e-12..0.5 * 1e-6).contains(&left), "{phase:?} has {left} left");
    }
}

/// Something that is so of a row or not.
type Test = fn(&[u32]) -> bool;

#[test]
fn much_privacy_gives_the_table_back() {
    let (axes, columns) = table(20_000, 6);
    let mut recorder = Recorder::new(1e4);
    let distribution = carry_out(&axes, &columns, Some(0), &mut recorder);
    assert!((distribution.rows / 20_000.0 - 1.0).abs() < 0.01);
    let rows = distribution.draw(20_000, &mut rng(8));
    let values = distribution.values(&rows, &mut rng(9));
    let share = |columns: &[Vec<u32>], test: Test| {
        let row = |i: usize| columns.iter().map(|column| column[i]).collect::<Vec<u32>>();
        (0..columns[0].len()).filter(|&i| test(&row(i))).count() as f64 / columns[0].len() as f64
    };
    let tests: [Test; 5] = [
        |row| row[0] == 1,
        |row| row[0] == 1 && row[1] == 4,
        |row| row[3] == 0,
        |row| row[0] == 1 && row[2] > 50,
        |row| row[4] >= 3,
    ];
    for (i, test) in tests.into_iter().enumerate() {
        let (real, synthetic) = (share(&columns, test), share(&values, test));
        assert!((real - synthetic).abs() < 0.01, "test {i}: {real} and {synthetic}");
    }
}

fn is_sane(axes: &[Axis], columns: &[Vec<u32>], target: Option<usize>, mu2: f64) {
    let distribution = carry_out(axes, columns, target, &mut Recorder::new(mu2));
    let rows = distribution.draw(333, &mut rng(1));
    let values = distribution.values(&rows, &mut rng(2));
    assert_eq!(values.len(), axes.len());
    for (axis, values) in axes.iter().zip(&values) {
        let most = axis.values + u32::from(axis.missing);
        assert!(values.len() == 333 && values.iter().all(|&value| value < most));
    }
    assert!(distribution.distance(&rows).is_finite());
    let again = Distribution::from_bytes(&distribution.to_bytes()).unwrap();
    assert_eq!(again.to_bytes(), distribution.to_bytes());
    assert!(again.draw(50, &mut rng(3)) == distribution.draw(50, &mut rng(3)));
}

#[test]
fn odd_tables_are_measured_as_well() {
    let (axes, columns) = table(200, 7);
    is_sane(&axes, &columns, Some(0), 0.01);
    is_sane(&axes, &columns, None, 0.01);
    is_sane(&axes, &columns, Some(2), 0.1);
    is_sane(&axes, &columns, Some(4), 0.1);
    is_sane(&axes, &columns.iter().map(|_| Vec::new()).collect::<Vec<_>>(), Some(0), 0.1);
    // One column; a constant one; a target that is constant.
    is_sane(&[axis(1, false, false)], &[vec![0; 50]], Some(0), 0.1);
    is_sane(&[axis(1, true, false), axis(2, false, true)], &[vec![0; 50], vec![2; 50]], Some(1), 0.1);
    is_sane(&[axis(2, false, false), axis(9, true, false)], &[vec![1; 50], vec![8; 50]], Some(0), 1.0);
}

#[test]
fn wide_categories_and_many_columns_are_measured() {
    let mut rng = rng(11);
    let wide: Vec<u32> = (0..3000).map(|_| (5000.0 * rng.random::<f64>().powi(4)) as u32).collect();
    let class: Vec<u32> = wide.iter().map(|&value| u32::from(value > 300)).collect();
    is_sane(&[axis(5000, false, false), axis(2, false, false)], &[wide, class], Some(1), 0.5);
    let axes = vec![axis(4, false, false); 120];
    let columns: Vec<Vec<u32>> = (0..120).map(|_| (0..400).map(|_| rng.random_range(0..4)).collect()).collect();
    is_sane(&axes, &columns, Some(0), 0.5);
}

#[test]
fn damaged_bytes_are_no_distribution() {
    let (axes, columns) = table(500, 12);
    let bytes = carry_out(&axes, &columns, Some(0), &mut Recorder::new(0.5)).to_bytes();
    assert!(Distribution::from_bytes(&bytes).is_ok());
    assert!(Distribution::from_bytes(&bytes[..bytes.len() - 8]).is_err());
    assert!(Distribution::from_bytes(&[&bytes[..], &[0; 8]].concat()).is_err());
    assert!(Distribution::from_bytes(b"").is_err());
    let text = String::from_utf8_lossy(&bytes[..400]).replace("\"format\":1", "\"format\":9");
    assert!(Distribution::from_bytes(text.as_bytes()).is_err());
}

/// A refusal ends the measurement; nothing is made up in its place.
#[test]
fn a_refusal_is_passed_on() {
    struct Never;
    impl Instrument for Never {
        fn measure(&mut self, _: Phase, _: &mut [i64], _: u32, _: f64) -> Result<f64, Refused> {
            Err(Refused)
        }
        fn most(&self, _: Phase) -> u32 {
            u32::MAX
        }
        fn left(&self, _: Phase) -> f64 {
            1.0
        }
    }
    let (axes, columns) = table(100, 13);
    let recipe = Recipe { ..recipe() };
    let survey = Survey { axes: &axes, target: None, recipe: &recipe };
    let outcome = survey.carry_out(&|i| columns[i].clone(), &mut Never, &mut rng(1), &|_| Ok::<(), Refused>(()));
    assert!(outcome.is_err());
}
