//! Rows of a batch, which of them are clipped together, and how they are cut into chunks.

use std::ops::Range;

use super::head::Heads;

/// Rows by number, of different lengths.
pub trait Rows: Sync {
    /// Places that row `i` takes, at least 1.
    fn length(&self, i: usize) -> usize;

    /// Writes the tokens of row `i` and what each place chooses from ([`NONE`](super::NONE) where
    /// nothing is to be predicted), `length(i)` of each.
    fn write(&self, i: usize, tokens: &mut [u32], choices: &mut [u32]);
}

/// Rows of a batch, fetched one at a time.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    units: Units<'a>,
    source: Source<'a>,
}

type Fetch<'a> = &'a (dyn Fn(usize, &mut [u32]) + Sync);

/// Where rows come from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// Rows of one token a place, as many as the model has places.
    Whole(Fetch<'a>),
    /// Rows of different lengths.
    Ragged(&'a dyn Rows),
}

/// What is clipped as one.
#[derive(Clone, Copy)]
enum Units<'a> {
    /// Each of so many rows by itself.
    Rows(usize),
    /// Rows next to each other, up to each of these ends.
    Groups(&'a [usize]),
}

/// Rows that pass through the model together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Their numbers in the batch.
    pub rows: Vec<usize>,
    /// The units of the chunk, as ranges of `rows`.
    pub units: Vec<Range<usize>>,
    /// Places of each row: as many as the longest of its unit needs, rounded up.
    pub places: usize,
}

impl Chunk {
    /// Writes the chunk's rows one after the other, `places` of tokens and choices each, and where there is
    /// room for more, rows that count for nothing.
    pub(super) fn write(
        &self,
        (heads, opening): (&Heads, u32),
        batch: Batch<'_>,
        tokens: &mut [u32],
        choices: &mut [u32],
    ) {
        let places = tokens.chunks_exact_mut(self.places).zip(choices.chunks_exact_mut(self.places));
        for (i, (tokens, choices)) in places.enumerate() {
            heads.filler(opening, tokens, choices);
            if let Some(&row) = self.rows.get(i) {
                batch.write(row, tokens, choices);
            }
        }
    }
}

/// How chunks are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Places of a chunk, unless one unit needs more.
    pub places: usize,
    /// The most rows of a chunk, unless one unit needs more.
    pub rows: usize,
    /// The most places of a row.
    pub longest: usize,
}

/// Lengths are rounded up to a multiple of this many places: few shapes, little padding.
const ROUND: usize = 8;

impl<'a> Batch<'a> {
    /// A batch of `rows` rows, which may be 0, each a unit of its own; `fetch` writes the tokens of row
    /// `i`, one a place.
    pub fn of_rows(rows: usize, fetch: Fetch<'a>) -> Self {
        Self { units: Units::Rows(rows), source: Source::Whole(fetch) }
    }

    /// A batch of units: the rows of each end, exclusively, at its entry of `ends`, which ascend.
    pub fn of_groups(ends: &'a [usize], fetch: Fetch<'a>) -> Self {
        Self { units: Units::Groups(ends), source: Source::Whole(fetch) }
    }

    /// A batch of `rows` rows of different lengths, each a unit of its own.
    pub fn of_ragged_rows(rows: usize, source: &'a dyn Rows) -> Self {
        Self { units: Units::Rows(rows), source: Source::Ragged(source) }
    }

    /// A batch of units of rows of different lengths.
    pub fn of_ragged_groups(ends: &'a [usize], source: &'a dyn Rows) -> Self {
        Self { units: Units::Groups(ends), source: Source::Ragged(source) }
    }

    /// Rows of all units together.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self.units {
            Units::Rows(rows) => rows,
            Units::Groups(ends) => ends.last().copied().unwrap_or_default(),
        }
    }

    /// Writes row `i`; in rows of one token a place, every place chooses its own number.
    pub fn write(&self, i: usize, tokens: &mut [u32], choices: &mut [u32]) {
        match self.source {
            Source::Whole(fetch) => {
                fetch(i, tokens);
                choices.iter_mut().zip(0..).for_each(|(choice, place)| *choice = place);
            }
            Source::Ragged(rows) => {
                let length = rows.length(i).min(tokens.len());
                rows.write(i, &mut tokens[..length], &mut choices[..length]);
            }
        }
    }

    /// The batch cut into chunks that hold whole units; a unit that is larger than a chunk makes one by
    /// itself. Rows of a chunk have about the same length, which is a function of the unit alone.
    #[must_use]
    pub fn chunks(&self, cut: Cut) -> Vec<Chunk> {
        let mut units = self.units(cut.longest);
        units.sort_by_key(|unit| unit.places);
        let mut chunks: Vec<Chunk> = Vec::new();
        for Unit { rows, places } in units {
            let most = cut.rows_of(places);
            let fits = |chunk: &&mut Chunk| chunk.places == places && chunk.rows.len() + rows.len() <= most;
            if chunks.last_mut().as_ref().is_none_or(|chunk| !fits(chunk)) {
                chunks.push(Chunk { rows: Vec::new(), units: Vec::new(), places });
            }
            if let Some(chunk) = chunks.last_mut() {
                let first = chunk.rows.len();
                chunk.units.push(first..first + rows.len());
                chunk.rows.extend(rows);
            }
        }
        chunks
    }

    /// Units that have rows, with the places that their rows take.
    fn units(&self, longest: usize) -> Vec<Unit> {
        let length = |row: usize| match self.source {
            Source::Whole(_) => longest,
            Source::Ragged(rows) => rows.length(row).next_multiple_of(ROUND).min(longest),
        };
        let unit = |rows: Range<usize>| Unit { places: rows.clone().map(length).max().unwrap_or(longest), rows };
        match self.units {
            Units::Rows(rows) => (0..rows).map(|row| unit(row..row + 1)).collect(),
            Units::Groups(ends) => {
                let groups = ends.iter().scan(0, |from, &end| Some(std::mem::replace(from, end)..end));
                groups.filter(|rows| !rows.is_empty()).map(unit).collect()
            }
        }
    }
}

struct Unit {
    rows: Range<usize>,
    places: usize,
}

impl Cut {
    /// The most rows of a chunk whose rows have so many places.
    #[must_use]
    pub fn rows_of(&self, places: usize) -> usize {
        (self.places / places).clamp(1, self.rows.max(1))
    }
}
