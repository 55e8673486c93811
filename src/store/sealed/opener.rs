//! Reading what is sealed, chunk by chunk.

use std::io::{self, Read};

use super::chunks::{CHUNK, Chunks, TAG, damaged};

/// The content of a sealed blob. Nothing of a chunk is handed out before it is known to be the one that was sealed
/// there, and there is no end but the one that was sealed as such.
pub struct Opener<R> {
    /// What comes after the head.
    source: R,
    chunks: Chunks,
    /// A byte that was read to know whether there is another chunk.
    ahead: Option<u8>,
    /// Content that waits to be handed out, and how much of it was.
    held: Vec<u8>,
    taken: usize,
    ended: bool,
    /// What comes after a fault may be in its place, and is not handed out all the same.
    failed: bool,
}

impl<R: Read> Opener<R> {
    /// Begins with the first chunk.
    pub fn new(source: R, chunks: Chunks) -> Self {
        Self {
            source,
            chunks,
            ahead: None,
            held: Vec::with_capacity(CHUNK + TAG + 1),
            taken: 0,
            ended: false,
            failed: false,
        }
    }

    fn next(&mut self) -> io::Result<()> {
        self.held.clear();
        self.taken = 0;
        self.held.extend(self.ahead.take());
        let wanted = CHUNK + TAG + 1 - self.held.len();
        // A source that knows what it is to be has looked at all of it before the last chunk is opened.
        let read = self.source.by_ref().take(wanted as u64).read_to_end(&mut self.held);
        if self.held.len() > CHUNK + TAG {
            self.ahead = self.held.pop();
        }
        let last = self.ahead.is_none();
        let opened = read.and_then(|_| self.chunks.open(&mut self.held, last));
        // After a fault there is no end, and nothing that was not authenticated.
        self.ended = last && opened.is_ok();
        if opened.is_err() {
            self.held.clear();
            self.failed = true;
        }
        opened
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(damaged());
        }
        if self.taken == self.held.len() && !self.ended && !buffer.is_empty() {
            self.next()?;
        }
        let read = buffer.len().min(self.held.len() - self.taken);
        buffer[..read].copy_from_slice(&self.held[self.taken..self.taken + read]);
        self.taken += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::secret::Secret;
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::from_bytes(&[byte; 32]).unwrap()
    }

    fn sealed(key: u8, owner: u128, content: &[u8]) -> Vec<u8> {
        let (mut chunks, mut all) = (Chunks::new(&secret(key), Uuid::from_u128(owner)), Vec::new());
        let mut pieces: Vec<Vec<u8>> = content.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        if pieces.is_empty() {
            pieces.push(Vec::new());
        }
        let count = pieces.len();
        for (i, piece) in pieces.iter_mut().enumerate() {
            chunks.seal(piece, i + 1 == count).unwrap();
            all.extend_from_slice(piece);
        }
        all
    }

    /// What comes out before the end or a fault, and whether it was a fault.
    fn opened(key: u8, owner: u128, sealed: &[u8]) -> (Vec<u8>, bool) {
        let mut content = Vec::new();
        let mut opener = Opener::new(sealed, Chunks::new(&secret(key), Uuid::from_u128(owner)));
        let failed = opener.read_to_end(&mut content).is_err();
        if failed {
            assert!(opener.read(&mut [0; 9]).is_err(), "a fault is no end, however often it is asked");
        }
        (content, failed)
    }

    fn content(length: usize, seed: u8) -> Vec<u8> {
        (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect()
    }

    /// Lengths around the edges of chunks.
    fn length() -> impl Strategy<Value = usize> {
        (0..4usize, -2..=2isize, 0..CHUNK).prop_map(|(chunks, edge, within)| {
            let edged = (chunks * CHUNK).saturating_add_signed(edge);
            if within % 2 == 0 { edged } else { chunks * CHUNK + within }
        })
    }

    #[derive(Clone, Debug)]
    enum Fault {
        Truncated(prop::sample::Index),
        TruncatedAtChunk(prop::sample::Index),
        Appended(Vec<u8>),
        Flipped(prop::sample::Index, u8),
        Swapped(prop::sample::Index, prop::sample::Index),
        Repeated(prop::sample::Index),
        LeftOut(prop::sample::Index),
        Spliced(prop::sample::Index),
    }

    fn fault() -> impl Strategy<Value = Fault> {
        let at = any::<prop::sample::Index>;
        prop_oneof![
            at().prop_map(Fault::Truncated),
            at().prop_map(Fault::TruncatedAtChunk),
            prop::collection::vec(any::<u8>(), 1..100).prop_map(Fault::Appended),
            (at(), 0..8u8).prop_map(|(at, bit)| Fault::Flipped(at, bit)),
            (at(), at()).prop_map(|(one, other)| Fault::Swapped(one, other)),
            at().prop_map(Fault::Repeated),
            at().prop_map(Fault::LeftOut),
            at().prop_map(Fault::Spliced),
        ]
    }

    /// The bytes with the fault in them; `other` is sealed for the same owner, under a key of its own.
    fn with(fault: &Fault, good: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        let mut pieces: Vec<Vec<u8>> = good.chunks(CHUNK + TAG).map(<[u8]>::to_vec).collect();
        match fault {
            Fault::Truncated(at) => bytes.truncate(at.index(bytes.len())),
            Fault::TruncatedAtChunk(at) => bytes.truncate(at.index(pieces.len()) * (CHUNK + TAG)),
            Fault::Appended(more) => bytes.extend_from_slice(more),
            Fault::Flipped(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Fault::Swapped(one, other) => {
                let (one, other) = (one.index(pieces.len()), other.index(pieces.len()));
                pieces.swap(one, other);
                bytes = pieces.concat();
            }
            Fault::Repeated(at) => {
                let at = at.index(pieces.len());
                pieces.insert(at, pieces[at].clone());
                bytes = pieces.concat();
            }
            Fault::LeftOut(at) => {
                pieces.remove(at.index(pieces.len()));
                bytes = pieces.concat();
            }
            Fault::Spliced(at) => {
                let others: Vec<&[u8]> = other.chunks(CHUNK + TAG).collect();
                let at = at.index(pieces.len());
                pieces[at] = others[at].to_vec();
                bytes = pieces.concat();
            }
        }
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_sealed_is_opened(length in length()) {
            let content = content(length, 0);
            let bytes = sealed(1, 1, &content);
            let all = bytes.len() as u64 + super::super::chunks::HEAD.len() as u64;
            prop_assert_eq!(all, super::super::chunks::sealed_length(length as u64));
            prop_assert!(opened(1, 1, &bytes) == (content, false));
        }

        /// Whatever is done to sealed bytes is refused, and what was handed out before is the beginning of the content.
        #[test]
        fn nothing_else_is(length in length(), fault in fault()) {
            let content = content(length, 0);
            let good = sealed(1, 1, &content);
            let bad = with(&fault, &good, &sealed(2, 1, &self::content(length, 9)));
            prop_assume!(bad != good);
            let (out, failed) = opened(1, 1, &bad);
            prop_assert!(failed && content.starts_with(&out), "{:?} of {} bytes", fault, length);
        }

        #[test]
        fn another_key_or_owner_opens_nothing(length in length(), key in 0..2u8) {
            let good = sealed(1, 1, &content(length, 0));
            let (key, owner) = if key == 0 { (2, 1) } else { (1, 2) };
            prop_assert!(opened(key, owner, &good) == (Vec::new(), true));
        }
    }
}
