//! Figures that were bought for everybody, each with what its noise leaves open.

use maud::{Markup, html};

use super::charts::{Interval, intervals};
use super::frame::part;
use super::text::{figure, percent};
use crate::report::released::{Noisy, NoisyColumn, ReleasedFigures, ReleasedTarget};

/// All of them.
pub(super) fn released(figures: &ReleasedFigures) -> Markup {
    html! {
        p { "Compared with the real table, of about " b { (figure(figures.rows.value)) } " rows (" (span(figures.rows, figure))
            "). These figures hold noise: each stands with the interval that has the exact one in 19 of 20 cases. They are ("
            (figure(figures.epsilon)) ", " (figure(figures.delta)) ")-differentially private by themselves, which is a part \
            of the job's promise." }
        div.wide { table {
            thead { tr { th scope="col" { "In common with the real table" } th scope="col" { "Share" } th scope="col" { "95 % interval" } } }
            tbody {
                (share("columns, on average", figures.one_way))
                @if let Some(pairs) = figures.two_way.measured() { (share("pairs of columns, on average", *pairs)) }
            }
        } }
        (columns(&figures.columns))
        h3 { "Do models work?" } (part(&figures.target, target))
    }
}

fn span(noisy: Noisy, word: fn(f64) -> String) -> String {
    format!("{} to {}", word(noisy.low), word(noisy.high))
}

fn share(name: &str, noisy: Noisy) -> Markup {
    html! { tr { td { (name) } td { (percent(noisy.value)) } td { (span(noisy, percent)) } } }
}

fn columns(columns: &[NoisyColumn]) -> Markup {
    let rows: Vec<Interval> = columns
        .iter()
        .map(|column| Interval {
            name: column.column.clone(),
            low: column.intersection.low,
            value: column.intersection.value,
            high: column.intersection.high,
        })
        .collect();
    let least = rows.iter().map(|row| row.low).fold(1.0, f64::min);
    let from = (10.0 * least).floor().clamp(0.0, 9.0) / 10.0;
    html! {
        figure {
            div.wide { (intervals("What each column has in common with the real table", &rows, (from, 1.0), (1.0, "equal"))) }
            figcaption { b { "Column by column" } ": the share of rows that would not have to move for both histograms to be equal." }
        }
    }
}

fn target(found: &ReleasedTarget) -> Markup {
    let line = |name: &str, noisy: Option<Noisy>| {
        html! { @if let Some(noisy) = noisy { tr { td { (name) } td { (figure(noisy.value)) } td { (span(noisy, figure)) } } } }
    };
    html! {
        p { "Gradient boosting that predicts " b { (found.column) }
            @if let Some(positive) = &found.positive { " (" b { (positive) } " against the rest)" }
            ", fitted on the synthetic table and scored on about " (figure(found.held_out_rows.value))
            " real rows that nothing was ever trained on." }
        div.wide { table {
            thead { tr { th scope="col" { "Score" } th scope="col" { "Figure" } th scope="col" { "95 % interval" } } }
            tbody {
                (line("ROC-AUC (0.5 is chance)", found.roc_auc))
                (line("F1", found.f1))
                (line("macro F1", Some(found.macro_f1)))
                (line("accuracy", Some(found.accuracy)))
                (line("accuracy of always the same guess", Some(found.baseline_accuracy)))
            }
        } }
    }
}
