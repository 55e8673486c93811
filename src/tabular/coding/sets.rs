//! Sets of tokens by number, each once.

use std::collections::HashMap;

/// Sets of tokens, ascending, in the order in which they were first met.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sets {
    sets: Vec<Vec<u32>>,
    numbers: HashMap<Vec<u32>, u32>,
}

impl Sets {
    /// The number of a set.
    pub fn number(&mut self, set: Vec<u32>) -> u32 {
        let next = self.sets.len() as u32;
        *self.numbers.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            next
        })
    }

    /// All of them, by number.
    pub fn into_vec(self) -> Vec<Vec<u32>> {
        self.sets
    }
}
