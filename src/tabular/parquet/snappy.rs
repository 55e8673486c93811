//! Snappy to bytes, whole.

use super::bits::varint;

/// Unpacks to exactly so many bytes; none for whatever does not say so.
pub(super) fn unpack(input: &[u8], expected: usize, out: &mut Vec<u8>) -> Option<()> {
    let (length, mut at) = varint(input, 0)?;
    if length != expected as u64 {
        return None;
    }
    out.clear();
    out.reserve(expected);
    while at < input.len() {
        let tag = input[at];
        at += 1;
        let (length, distance) = match tag & 3 {
            0 => {
                let length = literal(input, tag, &mut at)?;
                let end = at.checked_add(length)?;
                if out.len().checked_add(length)? > expected {
                    return None;
                }
                out.extend_from_slice(input.get(at..end)?);
                at = end;
                continue;
            }
            1 => (4 + usize::from(tag >> 2 & 7), usize::from(tag >> 5) << 8 | number(input, &mut at, 1)?),
            2 => (1 + usize::from(tag >> 2), number(input, &mut at, 2)?),
            _ => (1 + usize::from(tag >> 2), number(input, &mut at, 4)?),
        };
        copy(out, (length, distance), expected)?;
    }
    (out.len() == expected).then_some(())
}

fn literal(input: &[u8], tag: u8, at: &mut usize) -> Option<usize> {
    match usize::from(tag >> 2) {
        short @ 0..60 => Some(short + 1),
        long => number(input, at, long - 59)?.checked_add(1),
    }
}

/// A number of so many bytes, at most four.
fn number(input: &[u8], at: &mut usize, length: usize) -> Option<usize> {
    let bytes = input.get(*at..at.checked_add(length)?)?;
    *at += length;
    Some(bytes.iter().rev().fold(0, |all, &byte| all << 8 | usize::from(byte)))
}

/// Repeats what lies `distance` back, which may be less than the length.
fn copy(out: &mut Vec<u8>, (length, distance): (usize, usize), expected: usize) -> Option<()> {
    let from = out.len().checked_sub(distance)?;
    if distance == 0 || out.len() + length > expected {
        return None;
    }
    if length <= distance {
        out.extend_from_within(from..from + length);
    } else {
        for i in 0..length {
            out.push(out[from + i]);
        }
    }
    Some(())
}
