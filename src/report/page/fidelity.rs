//! Whether columns, pairs and triples look right.

use maud::{Markup, html};

use super::charts::{Bar, Heat, bars, heat};
use super::frame::{key, part};
use super::text::{figure, percent};
use crate::report::{
    AssociationMeasure, Associations, BarKind, ColumnFidelity, Duplicates, Fidelity, Figure, Matrix, Pairs, Triples,
};

/// Columns whose histograms are drawn at once; those of more are folded away.
const DRAWN: usize = 24;

/// All of it.
pub(super) fn likeness(found: &Fidelity) -> Markup {
    let mut columns: Vec<&ColumnFidelity> = found.columns.iter().collect();
    columns.sort_by(|a, b| a.intersection.value.total_cmp(&b.intersection.value));
    let (first, others) = columns.split_at(DRAWN.min(columns.len()));
    html! {
        p { "Histograms are counted on bins that follow from the declared schema alone. Beside each figure stands what two random \
            halves of the real table have, which is what chance alone makes of it. Halves have half the rows, so a good table may come \
            nearer than they do." }
        (means(found))
        h3 { "Columns" }
        (key(&[("real", "real"), ("made", "synthetic")]))
        div.grid { @for column in first { (histogram(column)) } }
        @if !others.is_empty() {
            details { summary { "The other " (others.len()) " columns" } div.grid { @for column in others { (histogram(column)) } } }
        }
        (column_table(&columns))
        h3 { "Pairs of columns" } (part(&found.pairs, pairs))
        h3 { "How strongly columns go together" } (part(&found.associations, associations))
        h3 { "Triples with the target" } (part(&found.triples, triples))
        h3 { "Repeated rows" } (duplicates(&found.duplicates))
    }
}

fn line(name: &str, found: &Figure, shown: fn(f64) -> String) -> Markup {
    html! { tr { td { (name) } td { (shown(found.value)) } td { (found.halves.map_or("-".into(), shown)) } } }
}

fn means(found: &Fidelity) -> Markup {
    html! {
        div.wide { table {
            caption { "Means" }
            thead { tr { th scope="col" { "What" } th scope="col" { "Synthetic" } th scope="col" { "Halves of the real table" } } }
            tbody {
                (line("columns: in common", &found.one_way.intersection, percent))
                (line("columns: Jensen-Shannon distance", &found.one_way.jensen_shannon, figure))
                @if let Some(pairs) = found.pairs.measured() {
                    (line("pairs: in common", &pairs.intersection, percent))
                    (line("pairs: Jensen-Shannon distance", &pairs.jensen_shannon, figure))
                }
                @if let Some(triples) = found.triples.measured() {
                    (line("triples with the target: in common", &triples.intersection, percent))
                }
                @if let Some(strengths) = found.associations.measured() {
                    (line("strength of association: mean difference", &strengths.mean_difference, figure))
                    (line("strength of association: largest difference", &strengths.max_difference, figure))
                }
            }
        } }
    }
}

fn histogram(column: &ColumnFidelity) -> Markup {
    let drawn: Vec<_> =
        column.histogram.iter().map(|bar| Bar { name: &bar.label, real: bar.real, synthetic: bar.synthetic }).collect();
    let values: Vec<_> = column.histogram.iter().filter(|bar| bar.kind == BarKind::Value).collect();
    let ends = values.first().zip(values.last()).map(|(first, last)| [short(&first.label), short(&last.label)]);
    let ends = ends.as_ref().map(|[first, last]| [first.as_str(), last.as_str()]);
    let label = format!(
        "Histogram of {}, real beside synthetic: {} in common",
        column.column,
        percent(column.intersection.value)
    );
    html! {
        figure {
            (bars(&label, &drawn, ends))
            figcaption { b { (column.column) } ", " (percent(column.intersection.value)) " in common" }
        }
    }
}

fn short(name: &str) -> String {
    super::text::shortened(name, 22)
}

fn column_table(columns: &[&ColumnFidelity]) -> Markup {
    html! {
        details {
            summary { "Columns as a table, worst first: distances, missing cells, ranges" }
            div.wide { table {
                thead { tr {
                    th scope="col" { "Column" } th scope="col" { "In common" } th scope="col" { "Halves" }
                    th scope="col" { "Jensen-Shannon" } th scope="col" { "Missing, real" } th scope="col" { "synthetic" }
                    th scope="col" { "Range, real" } th scope="col" { "synthetic" }
                } }
                tbody { @for column in columns { tr {
                    td { (column.column) } td { (percent(column.intersection.value)) }
                    td { (column.intersection.halves.map_or("-".into(), percent)) } td { (figure(column.jensen_shannon.value)) }
                    td { (percent(column.missing.real)) } td { (percent(column.missing.synthetic)) }
                    @let ranges = column.range.as_ref().map(|range| [&range.real, &range.synthetic]);
                    @for at in 0..2 {
                        td { @if let Some(ends) = ranges.and_then(|both| both[at].as_ref()) { (ends.smallest) " to " (ends.largest) } @else { "-" } }
                    }
                } } }
            } }
        }
    }
}

fn map(caption: &str, label: &str, matrix: &Matrix, (full, of): (f64, fn(f64) -> f64)) -> Markup {
    let n = matrix.columns.len();
    let values: Vec<_> = (0..n * n).map(|at| (at / n != at % n).then(|| of(matrix.rows[at / n][at % n]))).collect();
    html! {
        figure {
            (heat(&Heat { label, names: &matrix.columns, values: &values, full }))
            figcaption { (caption) }
        }
    }
}

fn pairs(found: &Pairs) -> Markup {
    html! {
        p { "Joint histograms of two columns share " b { (percent(found.intersection.value)) } " on average; the worst pair shares "
            (percent(found.min.value)) "." }
        (part(&found.matrix, |matrix| map(
            "What pairs lack to a full agreement: white is nothing, full colour a quarter or more.",
            "Heat map of what each pair of columns lacks to equal joint histograms",
            matrix, (0.25, |shared| 1.0 - shared),
        )))
    }
}

fn associations(found: &Associations) -> Markup {
    let measure = |measure| match measure {
        AssociationMeasure::Pearson => "correlation",
        AssociationMeasure::CramersV => "Cramer's V",
        AssociationMeasure::CorrelationRatio => "correlation ratio",
    };
    html! {
        p { "Pearson's correlation of two numbers, Cramer's V of two categories, the correlation ratio of one of each." }
        (part(&found.matrices, |matrices| html! {
            (key(&[("up", "positive, or stronger"), ("made", "negative, or weaker")]))
            div.pair {
                (map("Real rows.", "Heat map of associations in the real table", &matrices.real, (1.0, |x| x)))
                (map("Synthetic rows.", "Heat map of associations in the synthetic table", &matrices.synthetic, (1.0, |x| x)))
                (map("Synthetic less real: full colour is .25 or more.", "Heat map of the differences of associations", &matrices.difference, (0.25, |x| x)))
            }
        }))
        div.wide { table {
            caption { "Pairs whose strengths differ most" }
            thead { tr { th scope="col" { "Pair" } th scope="col" { "Measure" } th scope="col" { "Real" } th scope="col" { "Synthetic" }
                th scope="col" { "Halves differ by" } } }
            tbody { @for gap in &found.worst { tr {
                td { (gap.a) " and " (gap.b) } td { (measure(gap.measure)) } td { (figure(gap.real)) } td { (figure(gap.synthetic)) }
                td { (gap.halves_difference.map_or("-".into(), figure)) }
            } } }
        } }
    }
}

fn triples(found: &Triples) -> Markup {
    html! {
        p { "Joint histograms of two columns with " (found.target) " share " b { (percent(found.intersection.value)) }
            " on average over " (found.measured) " of " (found.triples) " triples." }
        div.wide { table {
            caption { "The worst" }
            thead { tr { th scope="col" { "Pair" } th scope="col" { "In common" } th scope="col" { "Halves" } } }
            tbody { @for one in &found.worst { tr {
                td { (one.a) " and " (one.b) } td { (percent(one.intersection.value)) }
                td { (one.intersection.halves.map_or("-".into(), percent)) }
            } } }
        } }
    }
}

fn duplicates(found: &Duplicates) -> Markup {
    html! {
        p { (percent(found.synthetic)) " of synthetic rows occur more than once, " (percent(found.real)) " of real ones"
            @if let Some(halves) = found.halves { " (" (percent(halves)) " in halves of them)" } "." }
    }
}
