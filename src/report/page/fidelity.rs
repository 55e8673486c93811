//! Whether columns and pairs look right.

use maud::{Markup, html};

use super::text::{figure, percent};
use crate::report::{OneWay, Section, TwoWay};

/// Every column.
pub(super) fn columns(one_way: &OneWay) -> Markup {
    html! {
        p { "The share that two histograms have in common, on bins that follow from the declared schema alone: 100 % where \
            they are equal, 0 where nothing is shared." }
        div.wide { table {
            caption { "Columns, worst first" }
            thead { tr { th scope="col" { "Column" } th scope="col" { "In common" } } }
            tbody {
                @let mut columns = one_way.columns.iter().collect::<Vec<_>>();
                @let () = columns.sort_by(|a, b| a.intersection.total_cmp(&b.intersection));
                @for column in columns { tr { td { (column.column) } td { (percent(column.intersection)) } } }
            }
        } }
    }
}

/// Pairs of columns.
pub(super) fn pairs(two_way: &Section<TwoWay>) -> Markup {
    let two_way = match two_way {
        Section::Measured(two_way) => two_way,
        Section::Absent { absent } => return super::frame::absent(absent),
    };
    html! {
        p { "Joint histograms of two columns share " b { (percent(two_way.mean)) } " on average over "
            (two_way.measured) " of " (two_way.pairs) " pairs; the least is " (figure(two_way.min)) "." }
    }
}
