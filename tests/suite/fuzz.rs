//! The corpus of the fuzzer, and mutations of it, without the fuzzer: seconds in place of hours (`make fuzz`).

use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::repeats;

#[path = "../fuzz/targets.rs"]
pub mod targets;

/// The files of a target's corpus.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Bits flipped, pieces cut out, doubled, swapped with those of another file, numbers at their ends.
fn mutated(files: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = files[rng.random_range(0..files.len())].clone();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..24)).min(bytes.len());
        match rng.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = [0, 9, 10, 13, 34, 44, 127, 128, 255][rng.random_range(0..9)],
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => {
                let other = &files[rng.random_range(0..files.len())];
                let from = rng.random_range(0..=other.len());
                bytes.splice(at..end, other[from..(from + 16).min(other.len())].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn replay(name: &str, target: fn(&[u8])) {
    let (files, mut rng) = (corpus(name), StdRng::seed_from_u64(5));
    files.iter().for_each(|bytes| target(bytes));
    for _ in 0..repeats(2_000, 1_000_000) {
        let bytes = mutated(&files, &mut rng);
        let survived = std::panic::catch_unwind(|| target(&bytes));
        assert!(survived.is_ok(), "{name}: {}", hex::encode(&bytes));
    }
}

#[test]
fn tables() {
    replay("csv", targets::csv);
}

#[test]
fn json_lines() {
    replay("jsonl", targets::jsonl);
}

#[test]
fn zstd_streams() {
    replay("zstd", targets::zstd);
}

#[test]
fn parquet_files() {
    replay("parquet", targets::parquet);
}

#[test]
fn schemas() {
    replay("schema", targets::schema);
}

#[test]
fn stored_rows() {
    replay("rows", targets::rows);
}

#[test]
fn codecs() {
    replay("codec", targets::codec);
}

#[test]
fn certificates() {
    replay("certificate", targets::certificate);
}
