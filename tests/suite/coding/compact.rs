//! The compact codec and pseudo rows: laws over random schemas.

use std::ops::Range;

use dp2stage::tabular::{
    BINS, Column, Compact, Domain, Grid, GridKind, LARGEST, MISSING, NARROW, START, Schema, uniform_row,
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

fn grid(first: i64, count: i64, step: i64) -> Domain {
    Domain::Grid(Grid::new(GridKind::Integer, first, first + (count - 1) * step, step, 0).unwrap())
}

fn domain() -> impl Strategy<Value = Domain> {
    prop_oneof![
        (1usize..30).prop_map(|n| Domain::Categories((0..n).map(|i| i.to_string()).collect())),
        (-50i64..50, 1i64..=i64::from(NARROW), 1i64..5).prop_map(|(first, count, step)| grid(first, count, step)),
        (-500_000i64..500_000, 101i64..1_000_000, 1i64..5).prop_map(|(first, count, step)| grid(first, count, step)),
        Just(grid(-LARGEST, i64::from(u32::MAX) - 1, 1 << 20)),
    ]
}

pub fn schema() -> impl Strategy<Value = Schema> {
    let columns = prop::collection::vec((domain(), any::<bool>()), 1..12);
    (columns, any::<prop::sample::Index>()).prop_map(|(columns, index)| {
        let target = index.index(columns.len() + 1);
        let columns: Vec<Column> = columns
            .into_iter()
            .enumerate()
            .map(|(i, (domain, nullable))| Column { name: i.to_string(), domain, nullable })
            .collect();
        let target = (target < columns.len()).then_some(target);
        Schema::new(columns, target, None).unwrap()
    })
}

pub fn row(schema: &Schema, rng: &mut ChaCha20Rng) -> Vec<u32> {
    let cell = |column: &Column| {
        let missing = column.nullable && rng.random::<f32>() < 0.2;
        if missing { MISSING } else { rng.random_range(0..column.domain.len() as u32) }
    };
    schema.columns().iter().map(cell).collect()
}

/// Whether a code is one that the column declares.
fn valid(column: &Column, code: u32) -> bool {
    if code == MISSING { column.nullable } else { (code as usize) < column.domain.len() }
}

fn encode(codec: &Compact, row: &[u32]) -> Vec<u32> {
    let mut tokens = vec![0; codec.width()];
    codec.encode(row, &mut tokens);
    tokens
}

fn decode(codec: &Compact, tokens: &[u32], rng: &mut ChaCha20Rng) -> Vec<u32> {
    let mut row = vec![0; codec.width()];
    codec.decode(tokens, rng, &mut row);
    row
}

proptest! {
    #[test]
    fn spans_are_contiguous_from_the_first_token_to_the_last(schema in schema()) {
        let codec = Compact::new(&schema);
        let mut next = START + 1;
        for span in codec.spans() {
            prop_assert_eq!(span.start, next);
            prop_assert!(span.end > span.start);
            next = span.end;
        }
        prop_assert_eq!(next, codec.vocabulary());
        prop_assert_eq!(codec.spans().len(), schema.width());
    }

    #[test]
    fn a_row_comes_back_up_to_the_bin(schema in schema(), seed: u64) {
        let codec = Compact::new(&schema);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for _ in 0..20 {
            let before = row(&schema, &mut rng);
            let tokens = encode(&codec, &before);
            let inside = tokens.iter().zip(codec.spans()).all(|(token, span)| span.contains(token));
            prop_assert!(inside);
            let after = decode(&codec, &tokens, &mut rng);
            prop_assert_eq!(&encode(&codec, &after), &tokens);
            for ((column, &a), &b) in schema.columns().iter().zip(&before).zip(&after) {
                if column.domain.len() as u32 <= NARROW || !matches!(column.domain, Domain::Grid(_)) || a == MISSING {
                    prop_assert_eq!(a, b);
                } else {
                    let bin = column.domain.len() as f64 / f64::from(BINS);
                    prop_assert!((f64::from(a) - f64::from(b)).abs() < bin.ceil());
                }
            }
        }
    }

    #[test]
    fn any_tokens_decode_to_declared_codes(schema in schema(), seed: u64) {
        let codec = Compact::new(&schema);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for wild in [false, true] {
            let draw = |span: Range<u32>, rng: &mut ChaCha20Rng| if wild { rng.random() } else { rng.random_range(span) };
            let tokens: Vec<u32> = codec.spans().into_iter().map(|span| draw(span, &mut rng)).collect();
            let after = decode(&codec, &tokens, &mut rng);
            for (column, &code) in schema.columns().iter().zip(&after) {
                prop_assert!(valid(column, code), "{}: {code}", column.name);
            }
        }
    }

    #[test]
    fn undeclared_codes_are_encoded_inside_the_span(schema in schema(), seed: u64) {
        let codec = Compact::new(&schema);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let wild: Vec<u32> = (0..schema.width()).map(|_| rng.random()).collect();
        for (token, span) in encode(&codec, &wild).iter().zip(codec.spans()) {
            prop_assert!(span.contains(token));
        }
    }

    #[test]
    fn the_target_comes_last(schema in schema()) {
        let codec = Compact::new(&schema);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let Some(target) = schema.target() else { return Ok(()) };
        let mut before = row(&schema, &mut rng);
        let tokens = encode(&codec, &before);
        before[target] = (before[target].min(1 << 31) + 1) % schema.columns()[target].domain.len() as u32;
        let others = encode(&codec, &before);
        prop_assert_eq!(&tokens[..tokens.len() - 1], &others[..tokens.len() - 1]);
    }
}

#[test]
fn the_lower_bound_and_zero_have_tokens_of_their_own() {
    let column = Column { name: "gain".into(), domain: grid(-50_000, 150_001, 1), nullable: false };
    let codec = Compact::new(&Schema::new(vec![column], None, None).unwrap());
    assert_eq!(codec.spans()[0], 1..3 + BINS);
    assert_eq!(codec.ordered()[0], 3..3 + BINS);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for (code, token) in [(0, 1), (50_000, 2)] {
        assert_eq!(encode(&codec, &[code]), [token]);
        assert_eq!(decode(&codec, &[token], &mut rng), [code]);
    }
    for _ in 0..10_000 {
        // Neighbours share the bins around the atoms but are never mistaken for them.
        for code in [1, 49_999, 50_001] {
            let back = decode(&codec, &encode(&codec, &[code]), &mut rng)[0];
            assert!(back != 0 && back != 50_000);
        }
    }
}

#[test]
fn a_bin_is_read_back_evenly() {
    let column = Column { name: "x".into(), domain: grid(1, 600, 1), nullable: false };
    let codec = Compact::new(&Schema::new(vec![column], None, None).unwrap());
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let token = encode(&codec, &[345]);
    let mut counts = [0u32; 600];
    (0..10_000).for_each(|_| counts[decode(&codec, &token, &mut rng)[0] as usize] += 1);
    for (code, count) in counts.iter().enumerate() {
        let expected = if (340..350).contains(&code) { 800..1200 } else { 0..1 };
        assert!(expected.contains(count), "{code}: {count}");
    }
}

#[test]
fn pseudo_rows_are_uniform_over_the_tokens_of_each_column() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let spans = [1..5, 5..15];
    let mut counts = [0u32; 15];
    let mut tokens = [0; 2];
    for _ in 0..40_000 {
        uniform_row(&spans, &mut rng, &mut tokens);
        tokens.iter().for_each(|&token| counts[token as usize] += 1);
    }
    assert!(counts[1..5].iter().all(|count| (9_500..10_500).contains(count)));
    assert!(counts[5..].iter().all(|count| (3_700..4_300).contains(count)));
}
