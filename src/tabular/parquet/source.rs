//! Where a file is read from.

use std::io;

/// Bytes that can be read anywhere: a Parquet file says at its end where everything is.
pub trait Source {
    /// How many there are.
    fn length(&self) -> u64;

    /// Reads the bytes from `at` on that fill the buffer.
    ///
    /// # Errors
    /// Faults of whatever keeps them, `UnexpectedEof` beyond the end among them.
    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl Source for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(at).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
