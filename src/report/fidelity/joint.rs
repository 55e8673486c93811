//! Counting joint histograms of two columns.

use super::sides::{Binned, PARTS};

/// Joint histograms up to this many cells are counted in an array (3 MiB a thread); larger ones, of
/// which most cells are empty, by sorting.
const DENSE_CELLS: usize = 1 << 18;

/// How often one cell occurs in each part.
pub(in crate::report) type Counts = [u32; PARTS];

/// The counts of one column: `each` is told of every bin that occurs.
pub(in crate::report) fn single(column: &Binned, mut each: impl FnMut(u32, Counts)) {
    let mut counts = vec![[0; PARTS]; column.count];
    for (part, bins) in column.parts().into_iter().enumerate() {
        bins.iter().for_each(|&bin| counts[bin as usize][part] += 1);
    }
    let found = counts.into_iter().enumerate().filter(|(_, counts)| *counts != [0; PARTS]);
    found.for_each(|(bin, counts)| each(bin as u32, counts));
}

/// The counts of two columns together: `each` is told of every pair of bins that occurs, in their order.
/// `scratch` is room that is used again.
pub(in crate::report) fn joint(
    a: &Binned,
    b: &Binned,
    scratch: &mut Vec<Counts>,
    mut each: impl FnMut(u32, u32, Counts),
) {
    if a.count.saturating_mul(b.count) > DENSE_CELLS {
        return sorted(a, b, each);
    }
    scratch.clear();
    scratch.resize(a.count * b.count, [0; PARTS]);
    for (part, (x, y)) in a.parts().into_iter().zip(b.parts()).enumerate() {
        x.iter().zip(y).for_each(|(&x, &y)| scratch[x as usize * b.count + y as usize][part] += 1);
    }
    for (x, row) in scratch.chunks(b.count).enumerate() {
        let found = row.iter().enumerate().filter(|(_, counts)| **counts != [0; PARTS]);
        found.for_each(|(y, &counts)| each(x as u32, y as u32, counts));
    }
}

fn sorted(a: &Binned, b: &Binned, mut each: impl FnMut(u32, u32, Counts)) {
    let keys: Vec<Vec<u64>> = a.parts().into_iter().zip(b.parts()).map(|(x, y)| sorted_keys(x, y)).collect();
    let mut at = [0; PARTS];
    while let Some(key) = (0..PARTS).filter_map(|part| keys[part].get(at[part]).copied()).min() {
        let mut counts = [0; PARTS];
        for ((keys, at), count) in keys.iter().zip(&mut at).zip(&mut counts) {
            while keys.get(*at) == Some(&key) {
                *count += 1;
                *at += 1;
            }
        }
        each((key >> 32) as u32, key as u32, counts);
    }
}

fn sorted_keys(x: &[u32], y: &[u32]) -> Vec<u64> {
    let mut keys: Vec<u64> = x.iter().zip(y).map(|(&x, &y)| u64::from(x) << 32 | u64::from(y)).collect();
    keys.sort_unstable();
    keys
}

/// Two columns as one, whose bins are their pairs of bins.
pub(super) fn joined(a: &Binned, b: &Binned) -> Binned {
    let cells = a.count.saturating_mul(b.count);
    let pair = |(&x, &y): (&u32, &u32)| u64::from(x) * b.count as u64 + u64::from(y);
    let both = |x: &[u32], y: &[u32]| x.iter().zip(y).map(pair).collect::<Vec<u64>>();
    let (real, synthetic) = (both(&a.real, &b.real), both(&a.synthetic, &b.synthetic));
    // Very many pairs are numbered anew, by those that occur.
    let mut known: Vec<u64> = Vec::new();
    if cells > u32::MAX as usize {
        known = [&real[..], &synthetic].concat();
        known.sort_unstable();
        known.dedup();
    }
    let place = |key: u64| if known.is_empty() { key as u32 } else { known.partition_point(|&k| k < key) as u32 };
    let placed = |keys: Vec<u64>| keys.into_iter().map(place).collect();
    let count = if known.is_empty() { cells.min(u32::MAX as usize) } else { known.len() };
    Binned { count, half: a.half, real: placed(real), synthetic: placed(synthetic) }
}
