//! Adam and the learning rate.

use dp2stage::engine::{Adam, AdamSettings, Schedule};

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
