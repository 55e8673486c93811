//! Checkpoints as bytes.

use dp2stage::engine::{
    Adam, AdamSettings, Average, BadCheckpoint, Checkpoint, Form, Optimiser, Rule, Sgd, SgdSettings,
};
use proptest::prelude::*;

const ADAM: AdamSettings = AdamSettings { beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weight_decay: 0.0 };
const SGD: SgdSettings = SgdSettings { momentum: 0.9, weight_decay: 0.0 };

fn form(rule: Rule, parameters: usize, averaged: bool) -> Form {
    Form { parameters, trained: parameters, rule, averaged }
}

fn checkpoint(numbers: Vec<f32>, blocks: u32, steps: u32, rule: Rule, averaged: bool) -> Checkpoint {
    let and = |more: f32| numbers.iter().map(|x| x + more).collect();
    let optimiser = match rule {
        Rule::Adam(settings) => Optimiser::Adam(settings, Adam { first: and(1.0), second: and(2.0), steps }),
        Rule::Sgd(settings) => Optimiser::Sgd(settings, Sgd { velocity: and(1.0) }),
    };
    let average = averaged.then(|| Average { weights: and(3.0), taken: blocks / 2 });
    Checkpoint { blocks, weights: numbers, optimiser, average }
}

/// Whatever a plan may want.
fn forms() -> impl Strategy<Value = (Rule, bool)> {
    (prop_oneof![Just(Rule::Adam(ADAM)), Just(Rule::Sgd(SGD))], any::<bool>())
}

proptest! {
    #[test]
    fn they_come_back_bit_for_bit(
        numbers in prop::collection::vec(any::<f32>(), 0..50),
        blocks: u32,
        steps: u32,
        (rule, averaged) in forms(),
    ) {
        let before = checkpoint(numbers, blocks, steps, rule, averaged);
        let bytes = before.to_bytes();
        let after = Checkpoint::from_bytes(&bytes, &form(rule, before.weights.len(), averaged)).unwrap();
        prop_assert_eq!(after.to_bytes(), bytes);
        prop_assert_eq!(after.blocks, blocks);
        prop_assert_eq!(after.average.map(|average| average.taken), averaged.then_some(blocks / 2));
    }

    #[test]
    fn bytes_cut_short_are_refused(cut in 0usize..100, (rule, averaged) in forms()) {
        let bytes = checkpoint(vec![1.0; 10], 1, 2, rule, averaged).to_bytes();
        let short = &bytes[..(bytes.len() - 1).saturating_sub(cut)];
        prop_assert_eq!(Checkpoint::from_bytes(short, &form(rule, 10, averaged)), Err(BadCheckpoint));
    }
}

#[test]
fn another_plans_checkpoint_is_refused() {
    let (adam, sgd) = (Rule::Adam(ADAM), Rule::Sgd(SGD));
    let bytes = checkpoint(vec![1.0; 10], 1, 2, adam, false).to_bytes();
    let fewer = Form { trained: 9, ..form(adam, 10, false) };
    for form in [form(adam, 11, false), fewer, form(sgd, 10, false), form(adam, 10, true), form(sgd, 10, true)] {
        assert_eq!(Checkpoint::from_bytes(&bytes, &form), Err(BadCheckpoint), "{form:?}");
    }
    assert_eq!(Checkpoint::from_bytes(b"not a checkpoint", &form(adam, 10, false)), Err(BadCheckpoint));
}

/// As they were written when there was only Adam.
#[test]
fn checkpoints_of_earlier_versions_are_read() {
    let mut bytes = br#"{"format":2,"blocks":3,"steps":7,"parameters":2,"trained":1}"#.to_vec();
    bytes.push(b'\n');
    bytes.extend([1.5f32, -2.0, 0.25, 4.0].iter().flat_map(|x| x.to_le_bytes()));
    let form = Form { parameters: 2, trained: 1, rule: Rule::Adam(ADAM), averaged: false };
    let state = Checkpoint::from_bytes(&bytes, &form).unwrap();
    let adam = Adam { first: vec![0.25], second: vec![4.0], steps: 7 };
    let expected =
        Checkpoint { blocks: 3, weights: vec![1.5, -2.0], optimiser: Optimiser::Adam(ADAM, adam), average: None };
    assert_eq!(state, expected);
}
