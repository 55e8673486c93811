//! Which columns tell most about the target, among drawn rows: free of charge.

use super::rows::BinRows;

/// Columns by how much they tell, the best first.
#[must_use]
pub fn ranked(drawn: &BinRows, target: usize, sizes: &[usize]) -> Vec<usize> {
    let columns = (0..sizes.len()).filter(|&column| column != target && sizes[column] > 1);
    let tells = |column: usize| (told(&drawn.counts(&[column, target], sizes), sizes[target]), column);
    let mut columns: Vec<(f64, usize)> = columns.map(tells).collect();
    columns.sort_by(|a, b| b.0.total_cmp(&a.0));
    columns.into_iter().map(|(_, column)| column).collect()
}

/// The mutual information between groups and classes, in nats.
fn told(counts: &[i64], classes: usize) -> f64 {
    let whole: i64 = counts.iter().sum();
    let mut of_class = vec![0; classes];
    counts.chunks(classes).for_each(|group| of_class.iter_mut().zip(group).for_each(|(sum, count)| *sum += count));
    let part = |count: i64| count as f64 / whole as f64;
    let of_group = |group: &[i64]| {
        let all = group.iter().sum::<i64>();
        let term = |(&count, &class): (&i64, &i64)| {
            if count == 0 { 0.0 } else { part(count) * (part(count) / (part(all) * part(class))).ln() }
        };
        group.iter().zip(&of_class).map(term).sum::<f64>()
    };
    counts.chunks(classes).map(of_group).sum()
}
