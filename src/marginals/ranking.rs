//! Which columns and pairs of columns tell most about the target, among drawn rows: free of charge.

use super::rows::BinRows;

/// Single columns by how much they tell, then the `crossed` pairs whose effect is furthest from a sum of single ones.
#[must_use]
pub fn ranked(drawn: &BinRows, target: usize, sizes: &[usize], crossed: usize) -> Vec<Vec<usize>> {
    let columns: Vec<usize> = (0..sizes.len()).filter(|&column| column != target && sizes[column] > 1).collect();
    let by = |mut tables: Vec<(f64, Vec<usize>)>| {
        tables.sort_by(|a, b| b.0.total_cmp(&a.0));
        tables.into_iter().map(|(_, table)| table)
    };
    let single = |&a: &usize| (told(&drawn.counts(&[a, target], sizes), sizes[target]), vec![a]);
    let mut tables: Vec<Vec<usize>> = by(columns.iter().map(single).collect()).collect();
    if crossed > 0 {
        let pairs = columns.iter().enumerate().flat_map(|(i, &a)| columns[i + 1..].iter().map(move |&b| (a, b)));
        let pair = |(a, b): (usize, usize)| (interaction(drawn, (a, b), target, sizes), vec![a, b]);
        tables.extend(by(pairs.map(pair).collect()).take(crossed));
    }
    tables
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

/// How far the classes' shares in the cells of a pair are from what the two columns say when their log odds add up:
/// squares, weighed by the cells.
fn interaction(drawn: &BinRows, (a, b): (usize, usize), target: usize, sizes: &[usize]) -> f64 {
    let (width, classes) = (sizes[b], sizes[target]);
    let counts = drawn.counts(&[a, b, target], sizes);
    let (mut of_a, mut of_b, mut all) =
        (vec![0i64; sizes[a] * classes], vec![0i64; width * classes], vec![0i64; classes]);
    for (cell, &count) in counts.iter().enumerate() {
        let (x, y, class) = (cell / classes / width, cell / classes % width, cell % classes);
        of_a[x * classes + class] += count;
        of_b[y * classes + class] += count;
        all[class] += count;
    }
    let odds = |counts: &[i64], class: usize| {
        let whole = counts.iter().sum::<i64>() as f64;
        let share = if whole > 0.0 { counts[class] as f64 / whole } else { 0.5 };
        ((share + 1e-3) / (1.0 - share + 1e-3)).ln()
    };
    let rows = drawn.len() as f64;
    counts
        .chunks(classes)
        .enumerate()
        .filter_map(|(cell, counts)| {
            let whole = counts.iter().sum::<i64>() as f64;
            let (x, y) = (cell / width, cell % width);
            let apart = |class: usize| {
                let sum = odds(&of_a[x * classes..][..classes], class) + odds(&of_b[y * classes..][..classes], class);
                let expected = 1.0 / (1.0 + (odds(&all, class) - sum).exp());
                (counts[class] as f64 / whole - expected).powi(2)
            };
            (whole > 0.0).then(|| whole / rows * (1..classes).map(apart).sum::<f64>())
        })
        .sum()
}
