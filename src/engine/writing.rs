//! A few rows written side by side, token by token, along the codec.

use rand::Rng;

use crate::model::{Asked, Choosing, Gpt2, Sampler};
use crate::tabular::{Code, Codec, Cursor, Next};

use super::given::{Given, impose};
use super::style::{Draw, Style};

/// A row that was written.
pub struct Written {
    /// Its cells, in the order of the schema.
    pub codes: Vec<Code>,
    /// The logarithm of the probability, when its turn came, of what was given.
    pub weight: f64,
}

/// The model that writes.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// The model's shape.
    pub model: &'a Gpt2,
    /// How rows are written.
    pub codec: &'a Codec,
    /// The model's parameters.
    pub weights: &'a [f32],
}

/// What is given of a row, and whether its probability counts.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// The cells; none are given where there are none.
    pub given: &'a [Given],
    /// Whether the row will be weighed. If not, what is given costs no pass of its own.
    pub weighed: bool,
}

impl Writer<'_> {
    /// Writes one row for each wish.
    pub fn write<R: Rng>(&self, wishes: &[Wish<'_>], style: Style, rng: &mut R) -> Vec<Written> {
        let Self { model, codec, weights } = *self;
        let mut sampler = Sampler::new(model, wishes.len());
        let mut cursors = vec![codec.start(); wishes.len()];
        let mut log_weights = vec![0f64; wishes.len()];
        let (mut choosing, mut asked, mut chosen) = (Choosing::default(), Vec::new(), Vec::new());
        let mut draw = Draw::new(style, rng);
        sampler.begin(model);
        loop {
            asked.clear();
            for (row, (wish, cursor)) in wishes.iter().zip(&mut cursors).enumerate() {
                let choice = self.go_on(*wish, cursor, rng, |token| sampler.push(row, token));
                asked.extend(choice.map(|choice| Asked { row, choice }));
            }
            if asked.is_empty() {
                break;
            }
            sampler.read(model, weights);
            chosen.clear();
            choosing.answer(model, weights, (&sampler, &mut asked), |row, named, probabilities| {
                let cell = self.cell(wishes[row], &cursors[row]);
                let (token, weight) = self.choose(cell, &cursors[row], (named, probabilities), (&mut draw, rng));
                log_weights[row] += weight;
                chosen.push((row, token));
            });
            for &(row, token) in &chosen {
                codec.take(&mut cursors[row], token, rng);
                sampler.push(row, token);
            }
        }
        let rows = cursors.iter().zip(wishes).zip(log_weights);
        rows.map(|((cursor, wish), weight)| {
            let mut codes = cursor.codes().to_vec();
            impose(wish.given, &mut codes);
            Written { codes, weight }
        })
        .collect()
    }

    /// Writes what is known in advance, up to the next choice.
    fn go_on<R: Rng>(&self, wish: Wish<'_>, cursor: &mut Cursor, rng: &mut R, mut put: impl FnMut(u32)) -> Option<u32> {
        loop {
            let token = match (self.codec.next(cursor), self.cell(wish, cursor)) {
                (Next::End, _) => return None,
                (Next::Forced(token), _) => token,
                (Next::Choice(_), Given::Value(code)) if !wish.weighed => self.codec.toward(cursor, code),
                (Next::Choice(choice), _) => return Some(choice),
            };
            self.codec.take(cursor, token, rng);
            put(token);
        }
    }

    /// What is given of the column being written.
    fn cell(&self, wish: Wish<'_>, cursor: &Cursor) -> Given {
        self.codec.column(cursor).and_then(|column| wish.given.get(column).copied()).unwrap_or_default()
    }

    /// A token, and the logarithm of the probability that it is as given.
    fn choose<R: Rng>(
        &self,
        cell: Given,
        cursor: &Cursor,
        (named, probabilities): (&dyn Fn(usize) -> u32, &mut [f32]),
        (draw, rng): (&mut Draw, &mut R),
    ) -> (u32, f64) {
        let count = probabilities.len();
        let find = |token: u32| (0..count).find(|&i| named(i) == token);
        match cell {
            Given::Value(code) => {
                let token = self.codec.toward(cursor, code);
                (token, find(token).map_or(0.0, |i| f64::from(probabilities[i]).ln()))
            }
            Given::Present => {
                let barred = self.codec.barred(cursor).and_then(find);
                let rest = barred.map_or(1.0, |i| without(probabilities, i));
                (named(draw.pick(probabilities, rng)), f64::from(rest).ln())
            }
            Given::Free => (named(draw.pick(probabilities, rng)), 0.0),
        }
    }
}

/// Takes an option away; returns the probability of the others together.
fn without(probabilities: &mut [f32], barred: usize) -> f32 {
    probabilities[barred] = 0.0;
    let rest: f32 = probabilities.iter().sum();
    if rest > 0.0 {
        probabilities.iter_mut().for_each(|p| *p /= rest);
        return rest;
    }
    // Too unlikely for single precision: one is as good as the other.
    let even = 1.0 / (probabilities.len() - 1).max(1) as f32;
    probabilities.iter_mut().enumerate().for_each(|(i, p)| *p = if i == barred { 0.0 } else { even });
    f32::MIN_POSITIVE
}
