//! Numbers of few bits: packed, and in runs.

/// `width` bits (at most 64) from the bit `at` on, the lowest first; none beyond the end.
pub(super) fn bits(bytes: &[u8], at: usize, width: u32) -> Option<u64> {
    let (first, shift) = (at / 8, at % 8);
    let length = (shift + width as usize).div_ceil(8);
    let window = bytes.get(first..first.checked_add(length)?)?;
    let all = window.iter().rev().fold(0u128, |all, &byte| all << 8 | u128::from(byte));
    Some((all >> shift) as u64 & mask(width))
}

fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// A number of seven bits a byte from `at` on, and where it ends.
pub(super) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, shift) in (0..64).step_by(7).enumerate() {
        let byte = *bytes.get(at.checked_add(i)?)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value, at + i + 1));
        }
    }
    None
}

/// So many numbers may not fill a run up: one writer packs 256 at a time, and leaves in the last ones what was there before.
const FILLING: u64 = 256;

/// Numbers in the hybrid of runs and packed ones, read one by one.
#[derive(Clone, Debug)]
pub(super) struct Hybrid {
    width: u32,
    /// Where the next run begins, and where all end.
    at: usize,
    end: usize,
    run: Run,
}

#[derive(Clone, Debug)]
enum Run {
    Same { value: u64, left: u64 },
    Packed { bit: usize, left: u64 },
}

impl Hybrid {
    /// The numbers of `width` bits, at most 32, that lie from `at` to `end`.
    pub(super) fn new(width: u32, at: usize, end: usize) -> Option<Self> {
        (width <= 32 && at <= end).then_some(Self { width, at, end, run: Run::Same { value: 0, left: 0 } })
    }

    /// The next number; none where the bytes say none.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<u64> {
        loop {
            match &mut self.run {
                Run::Same { value, left } if *left > 0 => {
                    *left -= 1;
                    return Some(*value);
                }
                Run::Packed { bit, left } if *left > 0 => {
                    *left -= 1;
                    let value = bits(bytes, *bit, self.width);
                    *bit += self.width as usize;
                    return value;
                }
                _ => self.run = self.begin(bytes)?,
            }
        }
    }

    fn begin(&mut self, bytes: &[u8]) -> Option<Run> {
        let bytes = bytes.get(..self.end)?;
        let (head, at) = varint(bytes, self.at)?;
        let count = head >> 1;
        if head & 1 == 1 {
            let length = usize::try_from(count.checked_mul(u64::from(self.width))?).ok()?;
            self.at = at.checked_add(length).filter(|&end| end <= self.end)?;
            return Some(Run::Packed { bit: at.checked_mul(8)?, left: count.checked_mul(8)? });
        }
        let width = 8 * self.width.div_ceil(8);
        self.at = at + width as usize / 8;
        let value = bits(bytes, at.checked_mul(8)?, width)?;
        // A run of a value that does not fit its width.
        (value <= mask(self.width)).then_some(Run::Same { value, left: count })
    }

    /// Whether nothing is left but what fills the last run.
    pub(super) fn is_spent(&self) -> bool {
        let spent = match self.run {
            Run::Same { left, .. } => left == 0,
            Run::Packed { left, .. } => left < FILLING,
        };
        spent && self.at == self.end
    }
}
