//! Rules that move weights, averages of weights, and the learning rate.

use dp2stage::engine::{Adam, AdamSettings, Average, Averaging, Optimiser, Rule, Schedule, Sgd, SgdSettings};

const SETTINGS: AdamSettings = AdamSettings { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.0 };

/// The two moments by their definition as weighted sums over the past.
#[test]
fn adam_follows_its_definition() {
    let gradients = [[1.0f32, -2.0], [0.5, 3.0], [-1.0, 0.25]];
    let (mut adam, mut p, mut expected) = (Adam::new(2), vec![1.0f32, -1.0], [1.0f64, -1.0]);
    for (k, gradient) in gradients.iter().enumerate() {
        adam.step(&SETTINGS, 0.1, gradient, (&mut p, &[(0..2, 0..2)]));
        for (j, x) in expected.iter_mut().enumerate() {
            let mean = |beta: f64, power: i32| {
                let terms = gradients[..=k].iter().enumerate();
                let sum: f64 = terms.map(|(i, g)| beta.powi((k - i) as i32) * f64::from(g[j]).powi(power)).sum();
                sum * (1.0 - beta) / (1.0 - beta.powi(k as i32 + 1))
            };
            *x -= 0.1 * mean(0.9, 1) / (mean(0.99, 2).sqrt() + 1e-8);
            assert!((f64::from(p[j]) - *x).abs() < 1e-5, "{} against {x}", p[j]);
        }
    }
}

#[test]
fn weight_decay_pulls_towards_zero_apart_from_the_gradient() {
    let mut p = vec![2.0f32];
    let settings = AdamSettings { weight_decay: 0.5, ..SETTINGS };
    Adam::new(1).step(&settings, 0.1, &[0.0], (&mut p, &[(0..1, 0..1)]));
    assert!((p[0] - 1.9).abs() < 1e-6);
}

#[test]
fn the_learning_rate_rises_to_its_peak_and_falls_to_its_end() {
    let schedule = Schedule { rate: 2.0, warm_up: 10, end: 0.1 };
    let rates: Vec<f32> = (0..100).map(|step| schedule.at(step, 100)).collect();
    assert!(rates[..10].is_sorted() && rates[0] > 0.0 && rates[0] < 0.3);
    assert!(rates[10..].is_sorted_by(|a, b| a >= b));
    assert!(rates.iter().all(|r| (0.0..=2.0).contains(r)));
    assert!(rates[9] > 1.9 && rates[99] < 0.25 && rates[99] > 0.19);
    assert!(Schedule { warm_up: 0, ..schedule }.at(0, 0).is_finite());
}

/// Parameters outside the moves stay as they are to the last bit, weight decay or not.
#[test]
fn what_is_frozen_stays() {
    let mut p = vec![1.0f32, 2.0, 3.0, 4.0];
    let settings = AdamSettings { weight_decay: 0.5, ..SETTINGS };
    Adam::new(2).step(&settings, 0.1, &[1.0, -1.0], (&mut p, &[(1..2, 0..1), (3..4, 1..2)]));
    assert_eq!((p[0], p[2]), (1.0, 3.0));
    assert!(p[1] < 2.0 && p[3] > 3.0 && p[3] != 4.0);
}

/// Gradients and first weights of a vector that several tasks share.
fn numbers(length: usize, salt: usize) -> Vec<f32> {
    (0..length).map(|i| ((i * 7919 + salt * 104_729) % 2001) as f32 / 1000.0 - 1.0).collect()
}

/// Momentum against a loop over numbers, and parameters outside the moves as they were.
#[test]
fn descent_with_momentum_follows_its_definition() {
    const LENGTH: usize = 100_000;
    let settings = SgdSettings { momentum: 0.75, weight_decay: 0.01 };
    let moves = [(5..LENGTH / 2, 0..LENGTH / 2 - 5), (LENGTH / 2 + 3..LENGTH, LENGTH / 2 - 5..LENGTH - 8)];
    let (mut sgd, mut p) = (Sgd::new(LENGTH - 8), numbers(LENGTH, 0));
    let (mut expected, mut velocity) = (p.clone(), vec![0f32; LENGTH]);
    for step in 1..5 {
        let gradient = numbers(LENGTH - 8, step);
        sgd.step(&settings, 0.1, &gradient, (&mut p, &moves));
        for (at, of) in moves.clone() {
            for (at, of) in at.zip(of) {
                velocity[at] = 0.75 * velocity[at] + gradient[of];
                expected[at] -= 0.1 * (velocity[at] + 0.01 * expected[at]);
            }
        }
    }
    assert_eq!(p, expected);
    assert_eq!(p[..5], numbers(5, 0));
}

/// Both rules and averages: the number of threads changes no bit.
#[test]
fn steps_are_the_same_at_any_number_of_threads() {
    const LENGTH: usize = 150_001;
    let after = |threads: usize, rule: Rule| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (mut optimiser, mut p) = (Optimiser::new(rule, LENGTH), numbers(LENGTH, 0));
        let mut average = Average::new(LENGTH);
        pool.install(|| {
            for step in 0..3 {
                optimiser.step(0.1, &numbers(LENGTH, step + 1), (&mut p, &[(0..LENGTH, 0..LENGTH)]));
                let decay = Averaging::Exponential { decay: 0.9 };
                average.take(decay, (step as u32, 3), (&p, &[(0..LENGTH, 0..LENGTH)]));
            }
        });
        (p, average)
    };
    for rule in [Rule::Adam(SETTINGS), Rule::Sgd(SgdSettings { momentum: 0.9, weight_decay: 0.1 })] {
        assert_eq!(after(1, rule), after(2, rule));
    }
}

/// The weights of step `s` are `s^2` and `-s`.
fn averaged(averaging: Averaging, steps: u32) -> Average {
    let mut average = Average::new(2);
    for step in 0..steps {
        let weights = [9.0, (step * step) as f32, -(step as f32)];
        average.take(averaging, (step, steps), (&weights, &[(1..3, 0..2)]));
    }
    average
}

#[test]
fn a_tail_average_is_the_mean_of_the_last_weights() {
    for (share, steps, last) in [(0.25, 40, 10u32), (1.0, 7, 7), (0.3, 10, 3), (0.01, 10, 1)] {
        let average = averaged(Averaging::Tail { share }, steps);
        assert_eq!(average.taken, last);
        let mean = |of: fn(f32) -> f32| (steps - last..steps).map(|s| of(s as f32)).sum::<f32>() / last as f32;
        assert!((average.weights[0] - mean(|s| s * s)).abs() < 1e-3, "{share} {:?}", average.weights);
        assert!((average.weights[1] - mean(|s| -s)).abs() < 1e-5, "{share} {:?}", average.weights);
    }
}

/// Against the sum over the past with the weights of the definition.
#[test]
fn an_exponential_average_weighs_the_past_as_it_says() {
    let (decay, steps) = (0.8f64, 60u32);
    let average = averaged(Averaging::Exponential { decay: decay as f32 }, steps);
    let kept = |k: u32| if k == 0 { 0.0 } else { decay.min((1.0 + f64::from(k)) / (10.0 + f64::from(k))) };
    let weight = |k: u32| (k + 1..steps).map(kept).product::<f64>() * (1.0 - kept(k));
    assert!(((0..steps).map(weight).sum::<f64>() - 1.0).abs() < 1e-12);
    let mean: f64 = (0..steps).map(|k| weight(k) * f64::from(k * k)).sum();
    assert!((f64::from(average.weights[0]) / mean - 1.0).abs() < 1e-5, "{} for {mean}", average.weights[0]);
}

#[test]
fn an_average_takes_the_place_of_what_is_trained_alone() {
    let mut p = vec![1.0, 2.0, 3.0];
    Average::new(1).put((&mut p, &[(1..2, 0..1)]));
    assert_eq!(p, [1.0, 2.0, 3.0], "of nothing there is none");
    Average { weights: vec![7.0], taken: 4 }.put((&mut p, &[(1..2, 0..1)]));
    assert_eq!(p, [1.0, 7.0, 3.0]);
}
