//! Junction trees against the full joint distribution, which small ones allow to write down.

use dp2stage::marginals::{Tree, cells_of, projection, volume};
use proptest::prelude::*;
use rand::Rng;

use super::rng;

/// Sizes of up to six columns, and tables of up to three of them.
fn models() -> impl Strategy<Value = (Vec<usize>, Vec<Vec<usize>>, u64)> {
    let sizes = prop::collection::vec(1usize..4, 1..7);
    sizes.prop_flat_map(|sizes| {
        let columns: Vec<usize> = (0..sizes.len()).collect();
        let most = sizes.len().min(3);
        let table = prop::sample::subsequence(columns, 1..=most);
        (Just(sizes), prop::collection::vec(table, 1..7), any::<u64>())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::support::repeats(100, 2000) as u32))]

    #[test]
    fn beliefs_are_the_marginals_of_the_joint((sizes, tables, seed) in models()) {
        let mut rng = rng(seed);
        let tree = Tree::of(&sizes, &tables);
        let all: Vec<usize> = (0..sizes.len()).collect();
        let mut joint = vec![0.0f64; volume(&all, &sizes)];
        let mut beliefs = tree.zeros();
        for table in &tables {
            let theta: Vec<f64> = (0..volume(table, &sizes)).map(|_| rng.random_range(-3.0..3.0)).collect();
            let map = projection(&all, table, &sizes);
            joint.iter_mut().zip(&map).for_each(|(sum, &cell)| *sum += theta[cell as usize]);
            let (home, map) = tree.home(table).unwrap();
            beliefs[home].iter_mut().zip(&map).for_each(|(sum, &cell)| *sum += theta[cell as usize]);
        }
        let log_partition = tree.calibrate(&mut beliefs);
        let whole: f64 = joint.iter().map(|x| x.exp()).sum();
        prop_assert!((log_partition - whole.ln()).abs() < 1e-9);
        for (clique, beliefs) in tree.cliques().iter().zip(&beliefs) {
            let mut expected = vec![0.0; beliefs.len()];
            let map = projection(&all, &clique.columns, &sizes);
            joint.iter().zip(map).for_each(|(x, cell)| expected[cell as usize] += x.exp() / whole);
            for (a, b) in beliefs.iter().zip(&expected) {
                prop_assert!((a - b).abs() < 1e-9, "{a} and {b}");
            }
        }
    }

    #[test]
    fn every_column_and_table_has_a_home((sizes, tables, _) in models()) {
        let tree = Tree::of(&sizes, &tables);
        let columns = (0..sizes.len()).map(|column| vec![column]);
        for table in tables.iter().cloned().chain(columns) {
            prop_assert!(tree.home(&table).is_some());
        }
        let cells: usize = tree.cliques().iter().map(|clique| volume(&clique.columns, &sizes)).sum();
        prop_assert_eq!(cells as f64, cells_of(&sizes, &tables).round());
        // Running intersection: a separator is all that a clique shares with those before it.
        for (at, clique) in tree.cliques().iter().enumerate().skip(1) {
            let before = |column: &usize| tree.cliques()[..at].iter().any(|other| other.columns.contains(column));
            let shared: Vec<usize> = clique.columns.iter().copied().filter(before).collect();
            prop_assert_eq!(&shared, &clique.separator);
        }
    }
}
