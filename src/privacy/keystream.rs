//! The keystream of ChaCha20 in bulk: sixteen blocks at a time, in the widest vectors the machine has.
//!
//! The cipher is Bernstein's (2008, "ChaCha, a variant of Salsa20"; RFC 8439) with a 64-bit counter and
//! a 64-bit stream, as in `rand_chacha`, which is the oracle of the tests: the words are the same to the
//! last bit. It is written down again because noise for a hundred million parameters is wanted as whole
//! registers at any position of the keystream, by several threads at once.

use pulp::Simd;
use rand_chacha::ChaCha20Rng;

/// Blocks of a batch.
pub const BLOCKS: usize = 16;

/// Words of a block.
const WORDS: usize = 16;

/// Word `w` of every block of a batch: `batch[w][block]`.
pub type Batch = [[u32; BLOCKS]; WORDS];

/// "expand 32-byte k"
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// A keystream from a block on.
#[derive(Clone, Copy)]
pub struct Keystream {
    /// Constants, key, counter (0 here), stream.
    state: [u32; WORDS],
    first: u64,
}

impl Keystream {
    /// What `rng` has not given out yet, from the next whole block on.
    pub fn of(rng: &ChaCha20Rng) -> Self {
        let (key, stream) = (rng.get_seed(), rng.get_stream());
        let mut state = [0; WORDS];
        state[..4].copy_from_slice(&CONSTANTS);
        for (word, bytes) in state[4..12].iter_mut().zip(key.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        (state[14], state[15]) = (stream as u32, (stream >> 32) as u32);
        Self { state, first: rng.get_word_pos().div_ceil(WORDS as u128) as u64 }
    }

    /// Moves `rng` behind the first `batches` batches, so that nobody is given their words again.
    pub fn use_up(&self, rng: &mut ChaCha20Rng, batches: usize) {
        let end = u128::from(self.first) + (batches * BLOCKS) as u128;
        rng.set_word_pos(end * WORDS as u128);
    }

    /// Batch number `batch`: blocks `16 batch` to `16 batch + 15` from the first one. Batches of different
    /// numbers have no block in common.
    #[inline(always)]
    pub fn batch<S: Simd>(&self, simd: S, batch: u64) -> Batch {
        let mut start = self.state.map(|word| [word; BLOCKS]);
        let first = self.first.wrapping_add(batch * BLOCKS as u64);
        let [.., low, high, _, _] = &mut start;
        for ((low, high), block) in low.iter_mut().zip(high).zip(0..) {
            let counter = first.wrapping_add(block);
            (*low, *high) = (counter as u32, (counter >> 32) as u32);
        }
        let mut out = [[0; BLOCKS]; WORDS];
        for at in 0..BLOCKS / S::U32_LANES {
            let mut s = [simd.splat_u32s(0); WORDS];
            for (s, start) in s.iter_mut().zip(&start) {
                *s = S::as_simd_u32s(start).0[at];
            }
            for _ in 0..10 {
                double_round(simd, &mut s);
            }
            for ((out, s), start) in out.iter_mut().zip(s).zip(&start) {
                S::as_mut_simd_u32s(out).0[at] = simd.add_u32s(s, S::as_simd_u32s(start).0[at]);
            }
        }
        out
    }
}

#[inline(always)]
fn double_round<S: Simd>(simd: S, s: &mut [S::u32s; WORDS]) {
    for [a, b, c, d] in [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]] {
        quarter_round(simd, s, (a, b, c, d));
    }
    for [a, b, c, d] in [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]] {
        quarter_round(simd, s, (a, b, c, d));
    }
}

#[inline(always)]
fn quarter_round<S: Simd>(simd: S, s: &mut [S::u32s; WORDS], (a, b, c, d): (usize, usize, usize, usize)) {
    for (first, second) in [(16, 12), (8, 7)] {
        s[a] = simd.add_u32s(s[a], s[b]);
        s[d] = rotate(simd, simd.xor_u32s(s[d], s[a]), first);
        s[c] = simd.add_u32s(s[c], s[d]);
        s[b] = rotate(simd, simd.xor_u32s(s[b], s[c]), second);
    }
}

/// Every lane rotated left by so many bits.
#[inline(always)]
fn rotate<S: Simd>(simd: S, x: S::u32s, by: u32) -> S::u32s {
    let left = simd.wrapping_dyn_shl_u32s(x, simd.splat_u32s(by));
    simd.or_u32s(left, simd.wrapping_dyn_shr_u32s(x, simd.splat_u32s(32 - by)))
}
