//! Text to token ids and back: the byte-level BPE of GPT-2 (Radford et al. 2019, section 2.2; merges after
//! Sennrich et al. 2016), from Hugging Face's files.
//!
//! Merging is the crate `tokenizers`; what is read is held to the one law that a table's cells need: every
//! text comes back as it was, to the byte.

use std::collections::HashMap;
use std::fmt;

use tokenizers::Model;
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::config::Config;

/// Ids beyond this are taken for damage, not for a vocabulary: a table of all ids is kept.
const MOST: u32 = 1 << 22;

/// Why files are no tokenizer, or none of this model.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// They cannot be read.
    #[error("tokenizer: {0}")]
    Format(String),
    /// They are a tokenizer of another kind.
    #[error("tokenizer: {0}; only byte-level BPE of GPT-2's kind is read")]
    Kind(&'static str),
    /// A byte has no token, so that some texts would lose it.
    #[error("tokenizer: no token stands for the byte {0:#04x}, and every text must have tokens")]
    Byte(u8),
    /// Two tokens share an id, or an id is far beyond any vocabulary.
    #[error("tokenizer: the id {0} stands for two tokens, or is beyond every vocabulary")]
    Id(u32),
    /// The largest id is beyond the model's embeddings.
    #[error(
        "the tokenizer is of another vocabulary: its ids go up to {largest}, and the model has {vocabulary} tokens"
    )]
    Vocabulary {
        /// Of the tokenizer.
        largest: u32,
        /// Of the model.
        vocabulary: usize,
    },
    /// The token that opens the model's rows is none of the tokenizer's.
    #[error("the tokenizer is of another vocabulary: it has no token {0}, which opens the model's rows")]
    Opening(u32),
    /// Tokens do not spell out the text that they were made from.
    #[error("tokenizer: a text does not come back as it was")]
    Unfaithful,
}

/// A byte-level BPE.
#[derive(Clone)]
pub struct Tokenizer {
    merges: tokenizers::Tokenizer,
    /// The bytes of every token, by its id; nothing where no token has it.
    pieces: Vec<Option<Box<[u8]>>>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError`] when it is damaged or of another kind.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let json: serde_json::Value = serde_json::from_slice(bytes).map_err(format)?;
        // Looked at before the library does: it panics where merges are shorter than the mark.
        let marks = |name: &str| json["model"][name].as_str().is_some_and(|mark| !mark.is_empty());
        if marks("continuing_subword_prefix") || marks("end_of_word_suffix") {
            return Err(TokenizerError::Kind("it marks the ends of words"));
        }
        Self::checked(tokenizers::Tokenizer::from_bytes(bytes).map_err(format)?)
    }

    /// Reads the two files of older checkpoints: `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// [`TokenizerError`] when they are damaged or do not belong together.
    pub fn from_vocabulary(vocabulary: &[u8], merges: &[u8]) -> Result<Self, TokenizerError> {
        let ids: HashMap<String, u32> = serde_json::from_slice(vocabulary).map_err(format)?;
        let lines = std::str::from_utf8(merges).map_err(format)?.lines();
        let pair = |line: &str| {
            let (left, right) = line.split_once(' ').ok_or(TokenizerError::Kind("a line of merges.txt is no pair"))?;
            Ok((left.to_owned(), right.to_owned()))
        };
        let pairs = lines.filter(|line| !line.starts_with("#version") && !line.is_empty()).map(pair);
        let merges = pairs.collect::<Result<Vec<_>, TokenizerError>>()?;
        let bpe = BPE::builder().vocab_and_merges(ids.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges);
        let mut tokenizer = tokenizers::Tokenizer::new(bpe.build().map_err(format)?);
        tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        Self::checked(tokenizer)
    }

    fn checked(mut merges: tokenizers::Tokenizer) -> Result<Self, TokenizerError> {
        let ModelWrapper::BPE(bpe) = merges.get_model() else { return Err(TokenizerError::Kind("it is no BPE")) };
        // Dropout draws merges at random: the same row would have other tokens every time.
        if bpe.dropout.is_some_and(|rate| rate > 0.0) {
            return Err(TokenizerError::Kind("it drops merges at random"));
        }
        if merges.get_normalizer().is_some() {
            return Err(TokenizerError::Kind("it changes the text first"));
        }
        match merges.get_pre_tokenizer() {
            Some(PreTokenizerWrapper::ByteLevel(bytes)) if !bytes.add_prefix_space => {}
            _ => return Err(TokenizerError::Kind("it does not cut bytes into words, or puts a space before the text")),
        }
        if merges.get_added_tokens_decoder().values().any(|token| !token.special && (token.lstrip || token.rstrip)) {
            return Err(TokenizerError::Kind("an added token swallows the spaces beside it"));
        }
        // A cell that says `<|endoftext|>` is text; it does not end a row.
        merges.set_encode_special_tokens(true);
        merges.with_truncation(None).map_err(format)?.with_padding(None);
        let pieces = pieces(merges.get_vocab(true))?;
        for byte in 0..=u8::MAX {
            if merges.get_model().token_to_id(letter(byte).encode_utf8(&mut [0; 4])).is_none() {
                return Err(TokenizerError::Byte(byte));
            }
        }
        Ok(Self { merges, pieces })
    }

    /// The ids of a text, without special tokens.
    ///
    /// # Errors
    /// [`TokenizerError::Unfaithful`] should the tokens not spell out the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let ids = self.merges.encode_fast(text, false).map_err(format)?.get_ids().to_vec();
        let mut rest = text.as_bytes();
        for id in &ids {
            rest = self.piece(*id).and_then(|piece| rest.strip_prefix(piece)).ok_or(TokenizerError::Unfaithful)?;
        }
        if rest.is_empty() { Ok(ids) } else { Err(TokenizerError::Unfaithful) }
    }

    /// The ids of a text, none where it cannot be written.
    #[must_use]
    pub fn words(&self, text: &str) -> Vec<u32> {
        self.encode(text).unwrap_or_default()
    }

    /// The text that ids spell out; nothing when an id has no token or the bytes are not UTF-8.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> Option<String> {
        let mut bytes = Vec::new();
        for id in ids {
            bytes.extend_from_slice(self.piece(*id)?);
        }
        String::from_utf8(bytes).ok()
    }

    /// The bytes that a token stands for.
    #[must_use]
    pub fn piece(&self, id: u32) -> Option<&[u8]> {
        self.pieces.get(id as usize)?.as_deref()
    }

    /// One more than the largest id.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.pieces.len()
    }

    /// Checks that the ids are those of a model. A model may have more embeddings than there are tokens:
    /// many are padded to a round number.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`] and [`TokenizerError::Opening`].
    pub fn check(&self, config: &Config) -> Result<(), TokenizerError> {
        let vocabulary = config.vocabulary;
        if self.vocabulary() > vocabulary {
            let largest = self.vocabulary().saturating_sub(1) as u32;
            return Err(TokenizerError::Vocabulary { largest, vocabulary });
        }
        self.piece(config.opening).map(drop).ok_or(TokenizerError::Opening(config.opening))
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("vocabulary", &self.vocabulary()).finish_non_exhaustive()
    }
}

fn format(error: impl fmt::Display) -> TokenizerError {
    TokenizerError::Format(error.to_string())
}

/// The bytes of every token. Tokens are written in an alphabet of 256 letters, one a byte; those that
/// are not (some added ones) stand for themselves.
fn pieces(tokens: HashMap<String, u32>) -> Result<Vec<Option<Box<[u8]>>>, TokenizerError> {
    let alphabet: HashMap<char, u8> = (0..=u8::MAX).map(|byte| (letter(byte), byte)).collect();
    let largest = tokens.values().copied().max().unwrap_or(0);
    if largest > MOST {
        return Err(TokenizerError::Id(largest));
    }
    let mut pieces = vec![None; largest as usize + 1];
    for (token, id) in tokens {
        let bytes: Option<Vec<u8>> = token.chars().map(|letter| alphabet.get(&letter).copied()).collect();
        let bytes = bytes.unwrap_or_else(|| token.into_bytes()).into_boxed_slice();
        if pieces[id as usize].replace(bytes).is_some() {
            return Err(TokenizerError::Id(id));
        }
    }
    Ok(pieces)
}

/// The letter by which files write a byte: itself where it prints in Latin-1, else one from U+0100 on,
/// in order.
fn letter(byte: u8) -> char {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if prints(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&other| !prints(other)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or('\0')
}
