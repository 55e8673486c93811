//! gzip to bytes, in pieces, with a bound on how much a little may unpack to.

use std::io::Write;

use flate2::write::GzDecoder;

use super::limits::UploadLimits;
use super::problem::GzipFault;

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An unpacker of one or more gzip members in a row (RFC 1952, section 2.2).
///
/// Holds one deflate window and at most 64 KiB of output at a time.
pub struct Inflate {
    member: GzDecoder<Vec<u8>>,
    /// Bytes of the current member so far.
    begun: u64,
    members: u64,
    taken: u64,
    given: u64,
    ratio: u64,
    grace: u64,
}

impl Inflate {
    /// An unpacker with the ratio of these limits.
    #[must_use]
    pub fn new(limits: &UploadLimits) -> Self {
        let member = GzDecoder::new(Vec::new());
        let (ratio, grace) = (limits.ratio, limits.grace);
        Self { member, begun: 0, members: 0, taken: 0, given: 0, ratio, grace }
    }

    /// Unpacks the next bytes and gives what they stand for to `out`, piece by piece.
    ///
    /// # Errors
    /// A [`GzipFault`], or the first error of `out`. The unpacker is of no use afterwards.
    pub fn push<E: From<GzipFault>>(
        &mut self,
        mut bytes: &[u8],
        mut out: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let piece = self.magic(bytes)?;
            let taken = self.member.write(piece).map_err(|_| self.fault())?;
            if taken == 0 {
                // The member ended before these bytes.
                self.next_member(&mut out)?;
                continue;
            }
            bytes = &bytes[taken..];
            self.begun += taken as u64;
            self.taken += taken as u64;
            self.give(&mut out)?;
        }
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`GzipFault::Truncated`] when a member is incomplete or there is none,
    /// [`GzipFault::Damaged`] when its checksum does not fit; or the first error of `out`.
    pub fn finish<E: From<GzipFault>>(mut self, mut out: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.begun > 0 {
            // A complete member takes nothing more.
            if !matches!(self.member.write(&[0]), Ok(0)) {
                return Err(GzipFault::Truncated.into());
            }
            self.next_member(&mut out)?;
        }
        if self.members == 0 { Err(GzipFault::Truncated.into()) } else { Ok(()) }
    }

    /// The bytes to unpack next. The first two of a member are looked at one by one: the decoder
    /// would wait for ten before it says that they are not gzip.
    fn magic<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], GzipFault> {
        match MAGIC.get(self.begun as usize) {
            None => Ok(bytes),
            Some(expected) if bytes.first() == Some(expected) => Ok(&bytes[..1]),
            Some(_) => Err(self.fault()),
        }
    }

    fn next_member<E: From<GzipFault>>(&mut self, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.member.try_finish().map_err(|_| GzipFault::Damaged)?;
        self.give(out)?;
        self.member = GzDecoder::new(Vec::new());
        self.begun = 0;
        self.members += 1;
        Ok(())
    }

    fn give<E: From<GzipFault>>(&mut self, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.given += self.member.get_ref().len() as u64;
        if self.given > self.grace && self.given / self.ratio.max(1) > self.taken {
            return Err(GzipFault::Ratio.into());
        }
        let result = out(self.member.get_ref());
        self.member.get_mut().clear();
        result
    }

    fn fault(&self) -> GzipFault {
        match (self.member.header().is_some(), self.members) {
            (true, _) => GzipFault::Damaged,
            (false, 0) => GzipFault::NotGzip,
            (false, _) => GzipFault::Trailing,
        }
    }
}
