//! The correction of labels finds what drawn rows do not know.

use dp2stage::marginals::{Axis, BinRows, Features, Known, Labels, Symmetric};
use rand::Rng;

use super::{Recorder, axis, rng};

/// Rows of three columns and a label of `classes`, whose logits the second column moves by `effect` a bin.
fn rows(count: usize, classes: usize, effect: f64, seed: u64) -> BinRows {
    let mut rng = rng(seed);
    let mut columns = vec![Vec::new(); 4];
    for _ in 0..count {
        let x: [u16; 3] = [rng.random_range(0..4), rng.random_range(0..3), rng.random_range(0..5)];
        let logit = |class: usize| class as f64 * (0.5 * f64::from(x[0]) - 1.0 + effect * f64::from(x[1]));
        let odds: Vec<f64> = (0..classes).map(|class| logit(class).exp()).collect();
        let mut left = rng.random::<f64>() * odds.iter().sum::<f64>();
        let label = odds.iter().position(|odds| {
            left -= odds;
            left < 0.0
        });
        let all = x.into_iter().chain([label.unwrap_or(0) as u16]);
        all.zip(&mut columns).for_each(|(bin, column)| column.push(bin));
    }
    BinRows { columns }
}

fn shares(labels: &Labels, rows: &BinRows, classes: usize) -> Vec<f64> {
    let p = labels.probabilities(rows);
    let share = |(bin, class): (u16, usize)| {
        let mine = (0..rows.len()).filter(|&row| rows.columns[1][row] == bin);
        let (sum, count) = mine.fold((0.0, 0.0), |(sum, count), row| (sum + p[row * classes + class], count + 1.0));
        sum / count
    };
    (0..3).flat_map(|bin| (0..classes).map(move |class| (bin, class))).map(share).collect()
}

fn axes(classes: usize) -> Vec<Axis> {
    vec![axis(4, true, false), axis(3, false, false), axis(5, false, false), axis(classes as u32, false, false)]
}

fn known<'a>(axes: &'a [Axis], drawn: &'a BinRows) -> Known<'a> {
    Known { axes, drawn, rows: drawn.len() as f64, measured: &[] }
}

fn correct(classes: usize) {
    let sizes = [4, 3, 5, classes];
    // In the drawn rows the second column tells nothing.
    let (private, drawn) = (rows(30_000, classes, 0.6, 1), rows(30_000, classes, 0.0, 2));
    let features = Features::new(vec![0, 1, 2], &sizes);
    let mut labels = Labels::fitted(&drawn, 3, &sizes, features.clone());
    let truth = shares(&Labels::fitted(&private, 3, &sizes, features), &private, classes);
    let far = |labels: &Labels| {
        let now = shares(labels, &private, classes);
        now.iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    let before = far(&labels);
    labels.correct(&private, known(&axes(classes), &drawn), &mut Recorder::new(1e3)).unwrap();
    let after = far(&labels);
    assert!(before > 0.1 && after < 0.25 * before, "{before} before and {after} after");
}

#[test]
fn a_correction_goes_most_of_the_way_for_two_classes() {
    correct(2);
}

#[test]
fn a_correction_goes_most_of_the_way_for_three_classes() {
    correct(3);
}

/// Where the model is right, the clipped sum is what it is expected to be: the correction stays at home.
#[test]
fn a_model_that_is_right_is_left_alone() {
    for classes in [2, 4] {
        let sizes = [4, 3, 5, classes];
        let (private, drawn) = (rows(40_000, classes, 0.4, 3), rows(40_000, classes, 0.4, 4));
        let features = Features::new(vec![0, 1, 2], &sizes);
        let mut labels = Labels::fitted(&drawn, 3, &sizes, features);
        let before = labels.probabilities(&private);
        labels.correct(&private, known(&axes(classes), &drawn), &mut Recorder::new(0.1)).unwrap();
        let moved = before.iter().zip(labels.probabilities(&private)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(moved < 0.06, "{moved}");
    }
}

#[test]
fn equations_are_solved() {
    let mut rng = rng(5);
    let mut matrix = Symmetric::diagonal(&[0.5; 30]);
    let mut other = Symmetric::diagonal(&[0.0; 30]);
    for i in 0..30 {
        for j in 0..=i {
            let x = rng.random_range(-1.0..1.0);
            (other.line(i)[j], other.line(j)[i]) = (x, x);
        }
    }
    matrix.add_square(&[1.0; 30], &other);
    let right: Vec<f64> = (0..30).map(|_| rng.random_range(-1.0..1.0)).collect();
    let x = matrix.solve(&right);
    matrix.times(&x).iter().zip(&right).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} {b}"));
}
