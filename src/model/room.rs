//! How much of a batch is in memory at once: a function of the model and of what a plan says, so that
//! results are the same on every machine that carries the plan out.

use serde::{Deserialize, Serialize};

use super::batch::{Chunk, Cut};
use super::gpt2::Gpt2;
use super::tape::Capacity;

/// The most partial sums, and so the most threads that share a batch of a small model.
const LANES: usize = 8;

/// Places of a chunk: enough for the matrix products to be worth it, few enough for the tape of a
/// small model to stay in cache.
const PLACES: usize = 1024;

/// The most rows of a chunk.
const ROWS: usize = 64;

/// Trained parameters up to which every lane has a sum of its own. Above, one lane's products are shared
/// by all threads.
const SMALL: usize = 1 << 22;

/// Places at which products of a large model have shapes for which rows do not depend on each other.
const FILLED: usize = 64;

/// The buffers of a pass. Places and lanes decide in which order a sum is added up; whether there are two
/// passes changes no bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Places of a chunk: the token budget of a micro-batch.
    pub places: usize,
    /// Chunks in memory at once.
    pub lanes: usize,
    /// Two backward passes, and no output gradients in memory between them (ghost clipping), instead of
    /// one pass that keeps them (Book-Keeping). Sums are the same to the last bit.
    pub two_passes: bool,
}

impl Room {
    /// What is fastest for a model.
    #[must_use]
    pub fn of(model: &Gpt2) -> Self {
        let small = model.layout().plain_len() <= SMALL;
        Self { places: PLACES, lanes: if small { LANES } else { 1 }, two_passes: false }
    }

    /// Rooms for a model from the fastest to the smallest: first two passes instead of one, then fewer
    /// lanes, then smaller chunks.
    #[must_use]
    pub fn ladder(model: &Gpt2) -> Vec<Self> {
        let first = Self::of(model);
        let two = Self { two_passes: true, ..first };
        let mut rooms = vec![first, two];
        // A small model keeps two lanes: products of a single lane are not filled up to a fixed shape.
        let halves = |from: usize, least: usize| {
            std::iter::successors(Some(from / 2), |n| Some(n / 2)).take_while(move |&n| n >= least)
        };
        rooms.extend(halves(first.lanes, 2).map(|lanes| Self { lanes, ..two }));
        let last = rooms.last().copied().unwrap_or(two);
        rooms.extend(halves(first.places, FILLED).map(|places| Self { places, ..last }));
        // Where all rows of a chunk are fewer places, a smaller budget saves nothing.
        rooms.dedup_by_key(|room| (room.capacity(model, 1).places, room.lanes, room.two_passes));
        rooms
    }

    /// How batches are cut into chunks.
    #[must_use]
    pub(super) fn cut(&self, model: &Gpt2) -> Cut {
        Cut { places: self.places, rows: ROWS, longest: model.longest() }
    }

    /// The largest chunk, where a unit has at most `longest` rows.
    #[must_use]
    pub(super) fn capacity(&self, model: &Gpt2, longest: usize) -> Capacity {
        // Short rows come in chunks of up to ROWS; a chunk of rows of any length holds at least one.
        let rows = ROWS.max(longest).max(FILLED);
        let whole = self.places.min(rows * model.longest()).max(longest * model.longest());
        Capacity { places: whole.max(FILLED.next_multiple_of(model.longest())), rows, keeps: !self.two_passes }
    }

    /// Rows that a chunk is filled up to: a function of its shape, and in a large model, whose products
    /// are never small, only as many as are needed for that.
    #[must_use]
    pub(super) fn filled(&self, model: &Gpt2, longest: usize, chunk: &Chunk) -> usize {
        let (rows, t) = (chunk.rows.len(), chunk.places);
        if self.lanes == 1 { rows.max(FILLED.div_ceil(t)) } else { self.cut(model).rows_of(t).max(longest).max(rows) }
    }
}
