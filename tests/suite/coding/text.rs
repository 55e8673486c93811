//! The text codec: rows come back from their sentences, every place offers what can still become a value and
//! nothing else, and whatever is chosen becomes a row.

use std::collections::BTreeSet;

use dp2stage::tabular::{Codec, Column, Domain, Grid, GridKind, MISSING, Next, Schema, Text, TextError};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::compact;
use super::words::{END, VOCABULARY, text, words};

const NONE: u32 = u32::MAX;

fn codec(schema: &Schema) -> Codec {
    Codec::Text(Text::new(schema, &words, END, VOCABULARY).unwrap())
}

fn sets(codec: &Codec) -> &[Vec<u32>] {
    let Codec::Text(text) = codec else { unreachable!() };
    text.sets()
}

/// Tokens of a row, and what each is chosen from.
fn write(codec: &Codec, row: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let length = codec.length(row);
    let (mut tokens, mut choices) = (vec![0; length], vec![0; length]);
    codec.write(row, NONE, &mut tokens, &mut choices);
    (tokens, choices)
}

fn numbers(name: &str, kind: GridKind, (first, last, step): (i64, i64, i64), digits: u32, nullable: bool) -> Column {
    Column { name: name.into(), domain: Domain::Grid(Grid::new(kind, first, last, step, digits).unwrap()), nullable }
}

fn named(name: &str, categories: &[&str], nullable: bool) -> Column {
    let categories = categories.iter().map(|&category| category.to_owned()).collect();
    Column { name: name.into(), domain: Domain::Categories(categories), nullable }
}

/// Columns of every kind, small enough to write all their values.
fn awkward() -> Vec<Column> {
    vec![
        named("prefixes", &["Some", "Some-college", "Some-", "S", ", x", "?", ""], false),
        named("commas", &["a", "a, b", "a, b is", "b"], true),
        named("marks", &["?", "??x", "x"], true),
        named("one", &["only"], false),
        numbers("few", GridKind::Integer, (-3, 121, 1), 0, true),
        numbers("steps", GridKind::Integer, (-700, 5000, 7), 0, true),
        numbers("cents", GridKind::Decimal, (-995, 10_000, 5), 2, false),
        numbers("days", GridKind::Date, (-86_400 * 400, 86_400 * 900, 86_400), 0, true),
        numbers("hours", GridKind::Moment, (0, 3600 * 900, 3600), 0, false),
    ]
}

/// For every column of every kind: the options at each place are exactly those of the values that begin as
/// what is written, found by writing all values.
#[test]
fn options_are_those_of_the_values_that_are_left() {
    for column in awkward() {
        let codes: Vec<u32> = (0..column.domain.len() as u32).chain(column.nullable.then_some(MISSING)).collect();
        let schema = Schema::new(vec![column.clone(), named("next", &["x"], false)], None, None).unwrap();
        let codec = codec(&schema);
        let all: Vec<(Vec<u32>, Vec<u32>)> = codes.iter().map(|&code| write(&codec, &[code, 0])).collect();
        let distinct: BTreeSet<&Vec<u32>> = all.iter().map(|(tokens, _)| tokens).collect();
        assert_eq!(distinct.len(), codes.len(), "{}", column.name);
        for (tokens, choices) in all.iter().step_by(all.len().div_ceil(60)) {
            for (place, (&token, &choice)) in tokens.iter().zip(choices).enumerate() {
                let begins = all.iter().filter(|(other, _)| other.starts_with(&tokens[..place]));
                let possible: BTreeSet<u32> = begins.map(|(other, _)| other[place]).collect();
                let offered = if choice == NONE { vec![token] } else { sets(&codec)[choice as usize].clone() };
                assert!(possible.iter().eq(&offered), "{} at {place}: {}", column.name, text(&tokens[..place]));
                assert!(choice == NONE || offered.len() > 1, "no choice is no choice");
            }
        }
    }
}

/// Sentences are those of the published method.
#[test]
fn a_row_is_a_sentence() {
    let columns = vec![
        named("income", &["<=50K", ">50K"], false),
        numbers("age", GridKind::Integer, (17, 90, 1), 0, false),
        named("workclass", &["Private", "State-gov"], true),
        numbers("gain", GridKind::Integer, (0, 99_999, 1), 0, true),
        numbers("rate", GridKind::Decimal, (-1500, 1500, 5), 2, false),
        numbers("since", GridKind::Date, (0, 86_400 * 9000, 86_400), 0, true),
    ];
    let codec = codec(&Schema::new(columns, Some(0), None).unwrap());
    let of = |row: &[u32]| text(&write(&codec, row).0);
    assert_eq!(
        of(&[1, 22, 0, 2174, 301, 365]),
        "age is 39, workclass is Private, gain is 02174, rate is +00.05, since is 1971-01-01, income is >50K"
    );
    assert_eq!(
        of(&[0, 0, MISSING, MISSING, 0, MISSING]),
        "age is 17, workclass is ?, gain is ?, rate is -15.00, since is ?, income is <=50K"
    );
}

#[test]
fn values_that_go_on_from_each_other_are_closed() {
    let columns = |names: &[&str]| vec![named("c", names, true), named("d", &["low", "lower"], false)];
    let some = codec(&Schema::new(columns(&["low", "lower"]), None, None).unwrap());
    assert_eq!(text(&write(&some, &[0, 0]).0), "c is low, d is low|");
    assert_eq!(text(&write(&some, &[1, 1]).0), "c is lower, d is lower");
    // The separator goes on from a value too: then something else closes it.
    let commas = codec(&Schema::new(columns(&["a", "a, b"]), None, None).unwrap());
    assert_eq!(text(&write(&commas, &[0, 1]).0), "c is a|, d is lower");
    assert_eq!(text(&write(&commas, &[1, 1]).0), "c is a, b, d is lower");
}

#[test]
fn what_a_tokenizer_cannot_write_is_refused_by_name() {
    let schema = Schema::new(vec![named("c", &["A", "a"], false)], None, None).unwrap();
    let lower = |text: &str| words(&text.to_lowercase());
    let refused =
        |words: &dyn Fn(&str) -> Vec<u32>, schema: &Schema| Text::new(schema, words, END, VOCABULARY).unwrap_err();
    assert_eq!(refused(&lower, &schema), TextError::Alike("c".into()));
    let control = |text: &str| if text == " a" { vec![END] } else { words(text) };
    assert_eq!(refused(&control, &schema), TextError::Control("c".into()));
    let wide = Schema::new(vec![numbers("n", GridKind::Integer, (0, 9999, 1), 0, false)], None, None).unwrap();
    let pairs = |text: &str| text.bytes().flat_map(|byte| [1, 1 + u32::from(byte)]).collect();
    assert_eq!(refused(&pairs, &wide), TextError::Characters);
}

proptest! {
    #[test]
    fn a_row_comes_back_from_its_tokens(schema in compact::schema(), seed: u64) {
        let codec = codec(&schema);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for _ in 0..10 {
            let row = compact::row(&schema, &mut rng);
            let (tokens, choices) = write(&codec, &row);
            prop_assert!(tokens.len() <= codec.longest());
            let mut cursor = codec.start();
            for (&token, &choice) in tokens.iter().zip(&choices) {
                let column = codec.column(&cursor).unwrap();
                match codec.next(&cursor) {
                    Next::Forced(only) => prop_assert_eq!((token, choice), (only, NONE)),
                    Next::Choice(set) => {
                        prop_assert_eq!(choice, set);
                        prop_assert!(sets(&codec)[set as usize].binary_search(&token).is_ok());
                        prop_assert_eq!(codec.toward(&cursor, row[column]), token);
                    }
                    Next::End => prop_assert!(false, "ended too early"),
                }
                codec.take(&mut cursor, token, &mut rng);
            }
            prop_assert_eq!(codec.next(&cursor), Next::End);
            prop_assert_eq!(cursor.codes(), &row[..]);
        }
    }

    /// And where what is barred is never chosen, nothing is missing and everything else can be written.
    #[test]
    fn whatever_is_chosen_becomes_a_row(
        schema in prop_oneof![compact::schema(), Just(Schema::new(awkward(), None, None).unwrap())],
        seed: u64,
        present: bool,
    ) {
        let codec = codec(&schema);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for _ in 0..10 {
            let (mut cursor, mut length) = (codec.start(), 0);
            loop {
                let token = match codec.next(&cursor) {
                    Next::End => break,
                    Next::Forced(token) => token,
                    Next::Choice(set) => {
                        let barred = codec.barred(&cursor).filter(|_| present);
                        let set: Vec<u32> =
                            sets(&codec)[set as usize].iter().copied().filter(|&token| Some(token) != barred).collect();
                        set[rng.random_range(0..set.len())]
                    }
                };
                codec.take(&mut cursor, token, &mut rng);
                length += 1;
            }
            prop_assert_eq!(length, codec.length(cursor.codes()));
            for (column, &code) in schema.columns().iter().zip(cursor.codes()) {
                prop_assert!(column.holds(code), "{}", column.name);
                prop_assert!(!(present && code == MISSING), "{}", column.name);
            }
        }
        let value = compact::row(&schema, &mut rng);
        let (tokens, _) = write(&codec, &value);
        let mut cursor = codec.start();
        for token in tokens {
            let column = codec.column(&cursor).unwrap();
            let choice = matches!(codec.next(&cursor), Next::Choice(_));
            prop_assert!(!choice || value[column] == MISSING || codec.barred(&cursor) != Some(token));
            codec.take(&mut cursor, token, &mut rng);
        }
    }
}
