//! The values of a wide grid, written character by character in a fixed width: `00042.50`, `2026-11-25`.
//!
//! With leading zeros, the values that begin with the same characters are neighbours. So what has been
//! written of a number is a range of codes, and what may come next is read off its ends and the places
//! where the next character changes. No state is stored, however wide the grid.

use std::ops::Range;

use super::sets::Sets;
use super::text::{TextError, Words};
use crate::tabular::column::{Code, MISSING};
use crate::tabular::grid::{Grid, GridKind};

/// What stands for a missing cell.
const UNKNOWN: u8 = b'?';

/// Characters that a value can be made of.
const ALPHABET: &[u8] = b"0123456789+-.:TZ?";

/// The tokens of single characters and the sets of them, shared by all columns that are written so.
#[derive(Clone, Debug, PartialEq)]
pub struct Characters {
    /// By position in the alphabet.
    tokens: Vec<u32>,
    /// Number of each set of digits, with and without [`UNKNOWN`]: by mask of digits, and above that.
    digits: Vec<u32>,
    /// Number of each set of `+`, `-` and [`UNKNOWN`], by mask.
    signs: Vec<u32>,
}

/// A column written so.
#[derive(Clone, Debug, PartialEq)]
pub struct Digits {
    grid: Grid,
    /// Digits before the point.
    whole: usize,
    signed: bool,
    width: usize,
    nullable: bool,
}

impl Characters {
    /// The tokens of a tokenizer.
    ///
    /// # Errors
    /// [`TextError::Characters`] when it has not one token for each character.
    pub fn new(words: Words<'_>, sets: &mut Sets) -> Result<Self, TextError> {
        let one = |&character: &u8| match words(&char::from(character).to_string())[..] {
            [token] => Ok(token),
            _ => Err(TextError::Characters),
        };
        let tokens = ALPHABET.iter().map(one).collect::<Result<Vec<u32>, _>>()?;
        let unknown = tokens[ALPHABET.len() - 1];
        let mut numbers = |of: &[u32]| -> Vec<u32> {
            let set = |mask: usize| of.iter().enumerate().filter(move |(i, _)| mask >> i & 1 == 1).map(|(_, &t)| t);
            let number = |mask: usize| {
                let mut tokens: Vec<u32> = set(mask.max(1)).collect(); // of none, nobody asks
                tokens.sort_unstable();
                sets.number(tokens)
            };
            (0..1 << of.len()).map(number).collect()
        };
        let mut digits = tokens[..10].to_vec();
        digits.push(unknown);
        let signs = [tokens[10], tokens[11], unknown];
        Ok(Self { digits: numbers(&digits), signs: numbers(&signs), tokens })
    }

    fn token(&self, character: u8) -> u32 {
        position(character).map_or(self.tokens[0], |i| self.tokens[i])
    }

    fn character(&self, token: u32) -> u8 {
        self.tokens.iter().position(|&t| t == token).map_or(b'0', |i| ALPHABET[i])
    }

    /// The only one of some characters (`Err`: its token), or the number of their set.
    fn options(&self, characters: &[u8]) -> Result<u32, u32> {
        if let [only] = characters {
            return Err(self.token(*only));
        }
        let mask = |order: &[u8]| {
            let bits = order.iter().enumerate().filter(|(_, c)| characters.contains(c)).map(|(i, _)| 1 << i);
            bits.sum::<usize>()
        };
        let signed = characters.iter().any(|c| b"+-".contains(c));
        Ok(if signed { self.signs[mask(b"+-?")] } else { self.digits[mask(b"0123456789?")] })
    }
}

fn position(character: u8) -> Option<usize> {
    ALPHABET.iter().position(|&c| c == character)
}

impl Digits {
    /// A grid, and whether its cells may be missing.
    pub fn new(grid: Grid, nullable: bool) -> Self {
        let ends = [grid.text(0), grid.text(grid.count() - 1)];
        let timed = matches!(grid.kind(), GridKind::Date | GridKind::Moment);
        let signed = !timed && ends[0].starts_with('-');
        let whole = |text: &String| text.trim_start_matches('-').split('.').next().unwrap_or_default().len();
        let whole = if timed { 0 } else { ends.iter().map(whole).max().unwrap_or(0) };
        let mut digits = Self { grid, whole, signed, width: 0, nullable };
        digits.width = digits.text(0).len();
        digits
    }

    /// Characters of every value.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The codes that nothing has been written of.
    pub fn all(&self) -> Range<Code> {
        0..self.grid.count()
    }

    /// A value in the fixed width.
    fn text(&self, code: Code) -> Vec<u8> {
        let text = self.grid.text(code);
        if self.whole == 0 {
            return text.into_bytes();
        }
        let size = text.trim_start_matches('-');
        let zeros = self.whole.saturating_sub(size.find('.').unwrap_or(size.len()));
        let sign = self.signed.then_some(if text.starts_with('-') { b'-' } else { b'+' });
        sign.into_iter().chain(std::iter::repeat_n(b'0', zeros)).chain(size.bytes()).collect()
    }

    /// Character `at` of a value.
    fn character(&self, code: Code, at: usize) -> u8 {
        self.text(code).get(at).copied().unwrap_or(UNKNOWN)
    }

    /// The codes of `left` that have the same character at `at` as the first one.
    fn run(&self, left: &Range<Code>, at: usize) -> Range<Code> {
        let same = self.character(left.start, at);
        if self.character(left.end - 1, at) == same {
            return left.clone();
        }
        let (mut low, mut high) = (left.start, left.end - 1); // the same; another
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.character(middle, at) == same { low = middle } else { high = middle }
        }
        left.start..high
    }

    /// The characters that may come at `at`, each with the codes that it leaves.
    fn runs(&self, left: Range<Code>, at: usize) -> impl Iterator<Item = (u8, Range<Code>)> + '_ {
        let mut rest = left;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let run = self.run(&rest, at);
            rest.start = run.end;
            Some((self.character(run.start, at), run))
        })
    }

    /// What may come at `at` (see [`Characters::options`]).
    pub fn options(&self, characters: &Characters, left: Range<Code>, at: usize) -> Result<u32, u32> {
        let mut options: Vec<u8> = if left.len() == 1 {
            vec![self.character(left.start, at)]
        } else {
            self.runs(left, at).map(|(character, _)| character).collect()
        };
        if self.nullable && at == 0 {
            options.push(UNKNOWN);
        }
        characters.options(&options)
    }

    /// The option at `at` that leads to a missing cell.
    pub fn barred(&self, characters: &Characters, at: usize) -> Option<u32> {
        (self.nullable && at == 0).then(|| characters.token(UNKNOWN))
    }

    /// The option at `at` that leads on to a code.
    pub fn toward(&self, characters: &Characters, at: usize, code: Code) -> u32 {
        let known = code < self.grid.count();
        characters.token(if known { self.character(code, at) } else { UNKNOWN })
    }

    /// The codes that are left after a token at `at`; `None` for a missing cell. Total: a token that is no
    /// option counts as the last one.
    pub fn follow(&self, characters: &Characters, left: Range<Code>, at: usize, token: u32) -> Option<Range<Code>> {
        let taken = characters.character(token);
        if taken == UNKNOWN && self.nullable && at == 0 {
            return None;
        }
        let mut last = left.clone();
        for (character, run) in self.runs(left, at) {
            last = run;
            if character == taken {
                break;
            }
        }
        Some(last)
    }

    /// Characters of a code.
    pub fn length(&self, code: Code) -> usize {
        if code == MISSING { 1 } else { self.width }
    }
}
