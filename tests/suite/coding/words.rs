//! A tokenizer for tests: the longest piece of a list that fits, else a byte.

/// The token that no text holds.
pub const END: u32 = 0;

/// Pieces with tokens of their own, after the 256 bytes.
const PIECES: [&str; 14] =
    [", ", " is", " is ", "Private", " Private", " Some", " Some-", "college", " 1", " 12", "12", " 0", " y", " a1"];

/// Token ids in all.
pub const VOCABULARY: usize = 257 + PIECES.len();

/// The tokens of a text.
pub fn words(text: &str) -> Vec<u32> {
    let (mut rest, mut tokens) = (text.as_bytes(), Vec::new());
    while let Some(&byte) = rest.first() {
        let fits = PIECES.iter().enumerate().filter(|(_, piece)| rest.starts_with(piece.as_bytes()));
        let (token, length) = fits
            .max_by_key(|(_, piece)| piece.len())
            .map_or((1 + u32::from(byte), 1), |(i, piece)| (257 + i as u32, piece.len()));
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens
}

/// The text of tokens; [`END`] is a bar.
pub fn text(tokens: &[u32]) -> String {
    let piece = |&token: &u32| match token {
        END => b"|".to_vec(),
        byte @ 1..=256 => vec![(byte - 1) as u8],
        piece => PIECES[piece as usize - 257].as_bytes().to_vec(),
    };
    String::from_utf8(tokens.iter().flat_map(piece).collect()).unwrap()
}
