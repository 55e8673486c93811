//! What is put before a checkpoint: a letter that says what it is, the length of the content in eight bytes, the content,
//! and then whatever comes behind it.

/// Bytes before the content.
pub(super) const HEAD: usize = 9;

/// Puts a content before what comes behind it.
pub(super) fn framed(letter: u8, content: &[u8], behind: &[u8]) -> Vec<u8> {
    [&[letter][..], &(content.len() as u64).to_le_bytes(), content, behind].concat()
}

/// The letter, the content, and what comes behind it; none of bytes that are cut short.
pub(super) fn unframed(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&letter, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (content, behind) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((letter, content, behind))
}
