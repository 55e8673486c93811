//! The junction tree of a set of tables: which columns are looked at together, and how beliefs travel.
//!
//! Lauritzen and Spiegelhalter (1988); elimination by the weight of the clique that it makes, a spanning tree by
//! the largest separators.

use super::rows::{projection, volume};

/// Cliques in a tree, parents before children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    sizes: Vec<usize>,
    elimination: Vec<usize>,
    cliques: Vec<Clique>,
}

/// Columns that are looked at together, ascending, and what they share with the parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clique {
    /// The columns.
    pub columns: Vec<usize>,
    /// The parent's place, before this one's; none for the first clique.
    pub parent: Option<usize>,
    /// Columns that the parent has as well.
    pub separator: Vec<usize>,
    /// The separator's cell of each of the clique's cells, and of each of the parent's.
    maps: (Vec<u32>, Vec<u32>),
}

impl Tree {
    /// The tree in which each of `tables` lies within a clique, over columns of these sizes.
    #[must_use]
    pub fn of(sizes: &[usize], tables: &[Vec<usize>]) -> Self {
        let (found, elimination) = triangulate(sizes, tables);
        let mut cliques: Vec<Clique> = Vec::with_capacity(found.len());
        // Prim's algorithm: `best[i]` is the place of the clique in the tree that shares most with clique i.
        let mut best: Vec<Option<(usize, usize)>> = vec![None; found.len()];
        let mut left: Vec<usize> = (0..found.len()).collect();
        while !left.is_empty() {
            let key = |&i: &usize| (best[i].map_or(0, |(shared, _)| shared), std::cmp::Reverse(i));
            let at = (0..left.len()).max_by_key(|&at| key(&left[at])).unwrap_or_default();
            let next = left.swap_remove(at);
            let parent = if cliques.is_empty() { None } else { Some(best[next].map_or(0, |(_, parent)| parent)) };
            cliques.push(Clique::new(&found[next], parent.map(|parent| (parent, &cliques[parent])), sizes));
            let place = cliques.len() - 1;
            for &i in &left {
                let shared = found[i].iter().filter(|column| found[next].contains(column)).count();
                if best[i].is_none_or(|(most, _)| shared > most) {
                    best[i] = Some((shared, place));
                }
            }
        }
        Self { sizes: sizes.to_vec(), elimination, cliques }
    }

    /// The sizes of the columns.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Columns in the order of their elimination: neighbours in it belong together.
    #[must_use]
    pub fn elimination(&self) -> &[usize] {
        &self.elimination
    }

    /// The cliques, parents first.
    #[must_use]
    pub fn cliques(&self) -> &[Clique] {
        &self.cliques
    }

    /// The smallest clique that holds all columns of `table`, with the table's cell of each of its cells.
    #[must_use]
    pub fn home(&self, table: &[usize]) -> Option<(usize, Vec<u32>)> {
        let holds = |&at: &usize| table.iter().all(|column| self.cliques[at].columns.contains(column));
        let smallest = |&at: &usize| volume(&self.cliques[at].columns, &self.sizes);
        let at = (0..self.cliques.len()).filter(holds).min_by_key(smallest)?;
        Some((at, projection(&self.cliques[at].columns, table, &self.sizes)))
    }

    /// A number for each cell of each clique, all 0.
    #[must_use]
    pub fn zeros(&self) -> Vec<Vec<f64>> {
        self.cliques.iter().map(|clique| vec![0.0; volume(&clique.columns, &self.sizes)]).collect()
    }

    /// Turns sums of potentials into the cliques' probabilities, and returns the logarithm of the sum over all rows
    /// of the exponentials.
    pub fn calibrate(&self, beliefs: &mut [Vec<f64>]) -> f64 {
        let mut sums = vec![Vec::new(); self.cliques.len()];
        let mut log_partition = 0.0;
        for (at, clique) in self.cliques.iter().enumerate().rev() {
            let (above, here) = beliefs.split_at_mut(at);
            let (highest, own) = exponentials(&mut here[0]);
            let Some(parent) = clique.parent else {
                log_partition = highest + own.ln();
                here[0].iter_mut().for_each(|belief| *belief /= own);
                continue;
            };
            let sum = gathered(&here[0], &clique.maps.0, volume(&clique.separator, &self.sizes));
            let message: Vec<f64> = sum.iter().map(|sum| (sum + 1e-300).ln() + highest).collect();
            above[parent].iter_mut().zip(&clique.maps.1).for_each(|(belief, &cell)| *belief += message[cell as usize]);
            sums[at] = sum;
        }
        for (at, clique) in self.cliques.iter().enumerate().skip(1) {
            let (above, here) = beliefs.split_at_mut(at);
            let parent = &above[clique.parent.unwrap_or_default()];
            let wanted = gathered(parent, &clique.maps.1, sums[at].len());
            let factors: Vec<f64> = wanted.iter().zip(&sums[at]).map(|(wanted, sum)| wanted / (sum + 1e-300)).collect();
            here[0].iter_mut().zip(&clique.maps.0).for_each(|(belief, &cell)| *belief *= factors[cell as usize]);
        }
        log_partition
    }
}

impl Clique {
    fn new(columns: &[usize], parent: Option<(usize, &Self)>, sizes: &[usize]) -> Self {
        let shared = |above: &Self| columns.iter().copied().filter(|column| above.columns.contains(column)).collect();
        let separator: Vec<usize> = parent.map_or_else(Vec::new, |(_, above)| shared(above));
        let maps = parent.map_or_else(Default::default, |(_, above)| {
            (projection(columns, &separator, sizes), projection(&above.columns, &separator, sizes))
        });
        Self { columns: columns.to_vec(), parent: parent.map(|(at, _)| at), separator, maps }
    }
}

/// Sums over the cells that fall into each cell of a smaller table.
#[must_use]
pub fn gathered(values: &[f64], map: &[u32], cells: usize) -> Vec<f64> {
    let mut sums = vec![0.0; cells];
    values.iter().zip(map).for_each(|(value, &cell)| sums[cell as usize] += value);
    sums
}

/// Exponentials over the highest of them, in place; returns the highest exponent and the sum.
pub fn exponentials(beliefs: &mut [f64]) -> (f64, f64) {
    let highest = beliefs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for belief in beliefs {
        *belief = (*belief - highest).exp();
        sum += *belief;
    }
    (highest, sum)
}

/// Cells of the cliques of the tree that these tables would have.
#[must_use]
pub fn cells_of(sizes: &[usize], tables: &[Vec<usize>]) -> f64 {
    let clique = |columns: &Vec<usize>| columns.iter().map(|&column| sizes[column] as f64).product::<f64>();
    triangulate(sizes, tables).0.iter().map(clique).sum()
}

/// Maximal cliques of a triangulation, and the order in which columns were eliminated.
fn triangulate(sizes: &[usize], tables: &[Vec<usize>]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let count = sizes.len();
    let mut near = vec![Neighbours::new(count); count];
    for (column, near) in near.iter_mut().enumerate() {
        near.insert(column);
    }
    for table in tables {
        for &a in table {
            table.iter().for_each(|&b| near[a].insert(b));
        }
    }
    let weight = |near: &Neighbours| near.iter().map(|column| (sizes[column] as f64).ln()).sum::<f64>();
    let mut weights: Vec<f64> = near.iter().map(weight).collect();
    let mut left: Vec<usize> = (0..count).collect();
    let (mut cliques, mut order) = (Vec::<Neighbours>::new(), Vec::with_capacity(count));
    while let Some(at) = (0..left.len()).min_by(|&a, &b| weights[left[a]].total_cmp(&weights[left[b]])) {
        let column = left.remove(at);
        order.push(column);
        let clique = near[column].clone();
        for other in clique.iter().filter(|&other| other != column) {
            near[other].join(&clique);
            near[other].remove(column);
            weights[other] = weight(&near[other]);
        }
        if !cliques.iter().any(|known| clique.within(known)) {
            cliques.push(clique);
        }
    }
    (cliques.iter().map(|clique| clique.iter().collect()).collect(), order)
}

/// A set of columns.
#[derive(Clone)]
struct Neighbours(Vec<u64>);

impl Neighbours {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn insert(&mut self, column: usize) {
        self.0[column / 64] |= 1 << (column % 64);
    }

    fn remove(&mut self, column: usize) {
        self.0[column / 64] &= !(1 << (column % 64));
    }

    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    fn within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        let bits = |(word, &bits): (usize, &u64)| {
            let set = move |bit: &usize| bits >> bit & 1 == 1;
            (0..64).filter(set).map(move |bit| 64 * word + bit)
        };
        self.0.iter().enumerate().flat_map(bits)
    }
}
