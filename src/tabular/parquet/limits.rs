//! How large the parts of a Parquet file may be, besides the limits of every upload.

/// Bytes of a footer.
pub(super) const FOOTER: u64 = 8 << 20;
/// Bytes of the header of a page, with its statistics.
pub(super) const HEADER: usize = 1 << 20;
/// Bytes of a page, packed and unpacked.
pub(super) const PAGE: usize = 16 << 20;
/// Bytes that the pages and dictionaries of all columns may have at once.
pub(super) const HELD: usize = 64 << 20;
/// Pages of a file: each costs a look at the file.
pub(super) const PAGES: u64 = 1 << 20;
/// Row groups of a file.
pub(super) const GROUPS: usize = 1 << 15;
/// Bytes that a cell may be unpacked from, all in all.
pub(super) const CELL: u64 = 16;
/// Cells below which it is not asked how many there are for a byte of the file.
pub(super) const CELLS: u64 = 1 << 24;
