//! What buffers take is what is said: `bytes` beside each allocation against a counting allocator.

use dp2stage::model::{Batch, Clipping, Config, Gpt2, Heads, Lanes, Room, Sampler, Targets, Trained};
use proptest::prelude::*;

use super::model;
use crate::support::held;

fn trained() -> impl Strategy<Value = Trained> {
    let targets = Targets { c_proj: false, ..Targets::ALL };
    prop_oneof![
        Just(Trained::Full),
        Just(Trained::Heads),
        (1usize..9).prop_map(move |rank| Trained::Lora { rank, alpha: 16, targets }),
        (1usize..20).prop_map(|width| Trained::Adapter { width }),
    ]
}

fn rooms() -> impl Strategy<Value = Room> {
    let (places, lanes) = (prop::sample::select(vec![64usize, 200, 1024]), prop::sample::select(vec![1usize, 2, 8]));
    (places, lanes, any::<bool>()).prop_map(|(places, lanes, two_passes)| Room { places, lanes, two_passes })
}

/// The three kinds of heads over a vocabulary of 22.
fn shape(kind: usize, (width, layers): (usize, usize)) -> Gpt2 {
    let sets = Heads::Sets { sets: vec![vec![1, 3], vec![2, 7, 9, 11], vec![4]], share: 0.5 };
    let config = Config { vocabulary: 22, positions: 40, width, layers, heads: 2, opening: 0 };
    match kind {
        0 => model(&[3, 2, 9, 7], width, layers, 2),
        1 => Gpt2::new(config, Heads::All, 33).unwrap(),
        _ => Gpt2::new(config, sets, 40).unwrap(),
    }
}

/// Whether two counts are the same but for the lists themselves, a few hundred bytes a block.
fn agree(counted: usize, said: usize, lists: usize) -> bool {
    (said..=said + 2000 * lists).contains(&counted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn passes_take_what_is_said(
        kind in 0usize..3,
        size in (1usize..9, 0usize..4),
        longest in 1usize..80,
        trained in trained(),
        room in rooms(),
    ) {
        let size = (2 * size.0, size.1.max(usize::from(!matches!(trained, Trained::Full | Trained::Heads))));
        let model = shape(kind, size).training(trained).unwrap();
        // Tapes are made when a pass first needs them.
        let (p, mut sum) = (vec![0f32; model.layout().len()], vec![0f64; model.layout().trained_len()]);
        let passes = || {
            let mut lanes = Lanes::with_room(&model, longest, room);
            lanes.gradient_sum(&model, &p, Batch::of_rows(0, &|_, _| {}), Clipping::None, &mut sum);
            lanes
        };
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (_lanes, counted) = alone.install(|| held(passes));
        let said = Lanes::bytes(&model, longest, room, 1);
        prop_assert!(agree(counted, said, room.lanes * (1 + size.1)), "{counted} counted, {said} said");
    }

    #[test]
    fn writers_take_what_is_said(size in (1usize..9, 1usize..4), rows in 1usize..300, trained in trained()) {
        let model = shape(0, (2 * size.0, size.1)).training(trained).unwrap();
        let (_sampler, counted) = held(|| Sampler::new(&model, rows));
        let said = Sampler::bytes(&model, rows);
        prop_assert!(agree(counted, said, 1 + size.1), "{counted} counted, {said} said");
    }
}

/// Every step down the ladder saves something, and only the order of sums may change on the way.
#[test]
fn rooms_get_smaller_down_the_ladder() {
    let small = model(&[3, 2, 5, 4], 8, 2, 2);
    let config = Config { vocabulary: 3000, positions: 64, width: 512, layers: 2, heads: 8, opening: 0 };
    let large = Gpt2::new(config, Heads::All, 64).unwrap();
    for (model, lanes) in [(&small, 2), (&large, 1)] {
        let rooms = Room::ladder(model);
        assert_eq!(rooms[0], Room::of(model));
        let bytes: Vec<usize> = rooms.iter().map(|&room| Lanes::bytes(model, 1, room, 8)).collect();
        assert!(bytes.is_sorted_by(|a, b| a > b), "{bytes:?}");
        assert!(bytes[0] > 4 * bytes[bytes.len() - 1]);
        // A lane of its own a small model must have: products of one row must not depend on the others.
        assert!(rooms.iter().all(|room| room.lanes >= lanes && room.places >= 64));
    }
}
