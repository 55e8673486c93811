//! Checkpoints as bytes.

use dp2stage::engine::{Adam, BadCheckpoint, Checkpoint};
use proptest::prelude::*;

fn checkpoint(numbers: Vec<f32>, blocks: u32, steps: u32) -> Checkpoint {
    let adam = Adam { first: numbers.iter().map(|x| x + 1.0).collect(), second: numbers.clone(), steps };
    Checkpoint { blocks, weights: numbers, adam }
}

proptest! {
    #[test]
    fn they_come_back_bit_for_bit(numbers in prop::collection::vec(any::<f32>(), 0..50), blocks: u32, steps: u32) {
        let before = checkpoint(numbers, blocks, steps);
        let bytes = before.to_bytes();
        let after = Checkpoint::from_bytes(&bytes, before.weights.len(), before.weights.len()).unwrap();
        prop_assert_eq!(after.to_bytes(), bytes);
        prop_assert_eq!(after.blocks, blocks);
    }

    #[test]
    fn bytes_cut_short_are_refused(cut in 0usize..100) {
        let bytes = checkpoint(vec![1.0; 10], 1, 2).to_bytes();
        let short = &bytes[..bytes.len() - 1 - cut];
        prop_assert_eq!(Checkpoint::from_bytes(short, 10, 10), Err(BadCheckpoint));
    }
}

#[test]
fn another_models_checkpoint_is_refused() {
    let bytes = checkpoint(vec![1.0; 10], 1, 2).to_bytes();
    assert_eq!(Checkpoint::from_bytes(&bytes, 11, 11), Err(BadCheckpoint));
    assert_eq!(Checkpoint::from_bytes(&bytes, 10, 9), Err(BadCheckpoint));
    assert_eq!(Checkpoint::from_bytes(b"not a checkpoint", 10, 10), Err(BadCheckpoint));
}
