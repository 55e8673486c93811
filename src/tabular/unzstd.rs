//! zstd to bytes, in pieces, with bounds on how much a little may unpack to and on what the decoder holds.

use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::limits::UploadLimits;
use super::problem::ZstdFault;

/// How a frame begins (RFC 8878, section 3.1.1), and how one that is skipped does, behind its first byte.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPED: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
/// Windows of up to 8 MiB, which is what every decoder should take and what `zstd -19` makes.
const WINDOW: u32 = 23;
/// Bytes of output at a time.
const PIECE: usize = 64 << 10;

/// An unpacker of one or more zstd frames in a row.
///
/// Holds one window and at most 64 KiB of output at a time.
pub struct Unzstd {
    decoder: Option<Decoder<'static>>,
    out: Vec<u8>,
    /// The first bytes of the frame under way.
    head: Vec<u8>,
    frames: u64,
    taken: u64,
    given: u64,
    ratio: u64,
    grace: u64,
}

impl Unzstd {
    /// An unpacker with the ratio of these limits.
    #[must_use]
    pub fn new(limits: &UploadLimits) -> Self {
        let (ratio, grace) = (limits.ratio, limits.grace);
        Self { decoder: None, out: vec![0; PIECE], head: Vec::new(), frames: 0, taken: 0, given: 0, ratio, grace }
    }

    /// Unpacks the next bytes and gives what they stand for to `out`, piece by piece.
    ///
    /// # Errors
    /// A [`ZstdFault`], or the first error of `out`. The unpacker is of no use afterwards.
    pub fn push<E: From<ZstdFault>>(
        &mut self,
        mut bytes: &[u8],
        mut out: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let missing = MAGIC.len() - self.head.len();
            if missing > 0 {
                let (head, rest) = bytes.split_at(missing.min(bytes.len()));
                self.head.extend_from_slice(head);
                bytes = rest;
                self.begin()?;
                if self.head.len() == MAGIC.len() {
                    let head = std::mem::take(&mut self.head);
                    self.run(&head, &mut out)?;
                    self.head = head;
                }
                continue;
            }
            bytes = self.run(bytes, &mut out)?;
        }
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`ZstdFault::Truncated`] when a frame is incomplete or there is none.
    pub fn finish(&self) -> Result<(), ZstdFault> {
        if self.frames == 0 || !self.head.is_empty() { Err(ZstdFault::Truncated) } else { Ok(()) }
    }

    /// Looks at the first bytes of a frame: the decoder would say less of what is wrong with them.
    fn begin(&mut self) -> Result<(), ZstdFault> {
        let begins = |magic: [u8; 4], mask: u8| {
            self.head.iter().zip(magic).enumerate().all(|(i, (&byte, wanted))| {
                let byte = if i == 0 { byte & mask } else { byte };
                byte == wanted
            })
        };
        if !begins(MAGIC, 0xff) && !begins(SKIPPED, 0xf0) {
            return Err(if self.frames == 0 { ZstdFault::NotZstd } else { ZstdFault::Trailing });
        }
        if self.decoder.is_none() {
            let mut decoder = Decoder::new().map_err(|_| ZstdFault::Damaged)?;
            decoder.set_parameter(DParameter::WindowLogMax(WINDOW)).map_err(|_| ZstdFault::Damaged)?;
            self.decoder = Some(decoder);
        }
        Ok(())
    }

    /// Unpacks to the end of the bytes or of the frame; gives the bytes that are left.
    fn run<'a, E: From<ZstdFault>>(
        &mut self,
        mut bytes: &'a [u8],
        out: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        let Some(decoder) = &mut self.decoder else { return Err(ZstdFault::Damaged.into()) };
        loop {
            let status = decoder.run_on_buffers(bytes, &mut self.out).map_err(|error| fault(&error))?;
            bytes = bytes.get(status.bytes_read..).unwrap_or_default();
            self.taken += status.bytes_read as u64;
            self.given += status.bytes_written as u64;
            if self.given > self.grace && self.given / self.ratio.max(1) > self.taken {
                return Err(ZstdFault::Ratio.into());
            }
            out(self.out.get(..status.bytes_written).unwrap_or_default())?;
            if status.remaining == 0 {
                self.head.clear();
                self.frames += 1;
                return Ok(bytes);
            }
            // A full buffer may hide more.
            if bytes.is_empty() && status.bytes_written < PIECE {
                return Ok(bytes);
            }
            if status.bytes_read == 0 && status.bytes_written == 0 {
                return Err(ZstdFault::Damaged.into());
            }
        }
    }
}

/// What the decoder complains of. It says so in words alone.
fn fault(error: &std::io::Error) -> ZstdFault {
    if error.to_string().contains("Frame requires too much memory") { ZstdFault::Window } else { ZstdFault::Damaged }
}
