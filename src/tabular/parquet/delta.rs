//! Numbers as differences from the one before, in blocks (`DELTA_BINARY_PACKED`), read one by one.

use super::bits::{bits, varint};

/// Most values of a block: others write 128, and blocks are not held in memory here.
const LARGEST_BLOCK: u64 = 1 << 20;
/// Most parts of a block.
const MOST_PARTS: u64 = 512;

/// Whole numbers that are read one by one.
#[derive(Clone, Debug)]
pub(super) struct Delta {
    parts: usize,
    of_part: usize,
    left: u64,
    value: i64,
    least: i64,
    /// Whether the first value was given.
    begun: bool,
    /// The widths of the parts of the block at hand begin there.
    widths: usize,
    /// The part at hand, where it begins, and how many of its values were read.
    part: usize,
    at: usize,
    read: usize,
}

impl Delta {
    /// The numbers that begin at a byte, at most so many: without a bound a few bytes could say any number of zeros.
    pub(super) fn new(bytes: &[u8], at: usize, most: u64) -> Option<Self> {
        let (block, at) = varint(bytes, at)?;
        let (parts, at) = varint(bytes, at)?;
        let (left, at) = varint(bytes, at)?;
        let (first, at) = zigzag(bytes, at)?;
        let fits = (1..=LARGEST_BLOCK).contains(&block) && (1..=MOST_PARTS).contains(&parts) && left <= most;
        if !fits || block % parts != 0 || (block / parts) % 8 != 0 {
            return None;
        }
        let (parts, of_part) = (parts as usize, (block / parts) as usize);
        // As if a block had just ended.
        Some(Self { parts, of_part, left, value: first, least: 0, begun: false, widths: 0, part: parts, at, read: 0 })
    }

    /// How many numbers are left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next number.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        if !std::mem::replace(&mut self.begun, true) {
            return Some(self.value);
        }
        if self.part == self.parts {
            self.block(bytes)?;
        } else if self.read == self.of_part {
            self.at = self.end_of_part(bytes)?;
            (self.part, self.read) = (self.part + 1, 0);
            if self.part == self.parts {
                self.block(bytes)?;
            }
        }
        let width = self.width(bytes)?;
        let bit = self.at.checked_mul(8)?.checked_add(self.read * width as usize)?;
        let delta = bits(bytes, bit, width)? as i64;
        self.read += 1;
        self.value = self.value.wrapping_add(self.least).wrapping_add(delta);
        Some(self.value)
    }

    fn block(&mut self, bytes: &[u8]) -> Option<()> {
        let (least, at) = zigzag(bytes, self.at)?;
        (self.least, self.widths, self.part, self.read) = (least, at, 0, 0);
        self.at = at.checked_add(self.parts)?;
        Some(())
    }

    fn width(&self, bytes: &[u8]) -> Option<u32> {
        bytes.get(self.widths + self.part).map(|&width| u32::from(width)).filter(|&width| width <= 64)
    }

    fn end_of_part(&self, bytes: &[u8]) -> Option<usize> {
        self.at.checked_add(self.of_part / 8 * self.width(bytes)? as usize).filter(|&end| end <= bytes.len())
    }

    /// Where the numbers end, once all were read.
    pub(super) fn end(&self, bytes: &[u8]) -> Option<usize> {
        if self.part == self.parts { Some(self.at) } else { self.end_of_part(bytes) }
    }

    /// Where the numbers end. Reads them all.
    pub(super) fn find_end(&self, bytes: &[u8]) -> Option<usize> {
        let mut all = self.clone();
        while all.left > 0 {
            all.next(bytes)?;
        }
        all.end(bytes)
    }
}

fn zigzag(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let (value, at) = varint(bytes, at)?;
    Some(((value >> 1) as i64 ^ -((value & 1) as i64), at))
}
