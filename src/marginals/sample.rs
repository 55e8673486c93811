//! Rows from a fitted distribution, with as little chance in them as whole numbers allow.

use rand::Rng;
use rand::seq::SliceRandom;

use super::fit::Fitted;
use super::rows::{BinRows, projection, volume};
use super::tree::gathered;

impl Fitted {
    /// So many rows, column by column along the tree: among the rows that agree on a column's parents, each of its
    /// values occurs its expected number of times, rounded up or down by chance.
    pub fn sample<R: Rng + ?Sized>(&self, rows: usize, rng: &mut R) -> BinRows {
        let sizes = self.tree.sizes();
        let mut drawn = BinRows { columns: vec![vec![0; rows]; sizes.len()] };
        let mut done = vec![false; sizes.len()];
        for (clique, beliefs) in self.tree.cliques().iter().zip(&self.beliefs) {
            for &column in &clique.columns {
                if done[column] {
                    continue;
                }
                let mut table: Vec<usize> = clique.columns.iter().copied().filter(|&other| done[other]).collect();
                let groups = drawn.cells(&table, sizes);
                let group_count = volume(&table, sizes);
                table.push(column);
                let map = projection(&clique.columns, &table, sizes);
                let joint = gathered(beliefs, &map, group_count * sizes[column]);
                column_of(&mut drawn.columns[column], (&groups, group_count), &joint, rng);
                done[column] = true;
            }
        }
        drawn
    }
}

/// Draws a column given the group of each row: `joint` has a line of weights for each group.
fn column_of<R: Rng + ?Sized>(column: &mut [u16], (groups, count): (&[u32], usize), joint: &[f64], rng: &mut R) {
    let size = joint.len() / count;
    let mut order: Vec<u32> = (0..groups.len() as u32).collect();
    order.shuffle(rng);
    let order = sorted_by(&order, groups, count);
    for members in order.chunk_by(|&a, &b| groups[a as usize] == groups[b as usize]) {
        let group = groups[members[0] as usize] as usize;
        let weights = &joint[group * size..][..size];
        let whole: f64 = weights.iter().sum();
        let (offset, mut reached, mut given) = (rng.random::<f64>(), 0.0, 0);
        for (value, weight) in (0..).zip(weights) {
            // A group that the distribution rules out is not drawn, but for rounding: any value will do.
            reached += if whole > 0.0 { weight / whole } else { 1.0 / size as f64 } * members.len() as f64;
            let last = usize::from(value) + 1 == size;
            let upto = if last { members.len() } else { ((reached + offset) as usize).min(members.len()) };
            members[given.min(upto)..upto].iter().for_each(|&row| column[row as usize] = value);
            given = given.max(upto);
        }
    }
}

/// `order`, stably sorted by a key below `count` of each row.
pub fn sorted_by(order: &[u32], keys: &[u32], count: usize) -> Vec<u32> {
    let mut places = vec![0usize; count + 1];
    order.iter().for_each(|&row| places[keys[row as usize] as usize + 1] += 1);
    for key in 0..count {
        places[key + 1] += places[key];
    }
    let mut sorted = vec![0; order.len()];
    for &row in order {
        let place = &mut places[keys[row as usize] as usize];
        sorted[*place] = row;
        *place += 1;
    }
    sorted
}

/// Rows in an order in which neighbours are alike: by the column that was eliminated last, then the one before.
#[must_use]
pub fn alike(rows: &BinRows, fitted: &Fitted, without: Option<usize>) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    for &column in fitted.tree.elimination().iter().filter(|&&column| Some(column) != without) {
        let keys: Vec<u32> = rows.columns[column].iter().map(|&bin| u32::from(bin)).collect();
        order = sorted_by(&order, &keys, fitted.tree.sizes()[column]);
    }
    order
}
