//! Where a budget went, line by line of its ledger, as a drawing and as a table.

use maud::{Markup, html};

use super::super::moments::of_micros;
use super::frame::moment;
use crate::privacy::{Account, Entry, EntryKind};
use crate::report::percent;
use crate::store::Population;

/// Lines of the ledger that are drawn, and those that are listed.
pub(super) const DRAWN: i64 = 400;
const LISTED: usize = 15;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 66.0;
const BELOW: f64 = 26.0;
const ABOVE: f64 = 14.0;

/// Shares spent, and spent or reserved, after a line.
type Level = (f64, f64);

/// The newest lines of a ledger, of a budget that stands like this after them.
pub(super) fn history(population: &Population, entries: &[Entry]) -> Markup {
    let levels = levels(population.account, entries);
    let label = format!("Share of the budget over the last {} lines of its ledger", entries.len());
    html! {
        figure {
            (drawing(&levels, &label))
            figcaption { "After each line of the ledger, the last on the right: " span.key.spent {} "spent for good, "
                span.key.reserved {} "reserved by jobs that have not begun. Shares of what the grant buys now." }
        }
        div.wide { table {
            caption { "The newest lines" @if entries.len() > LISTED { " (" (population.entries) " in all: " code { "/ledger" } " of the API)" } }
            thead { tr { th scope="col" { "When (UTC)" } th scope="col" { "What" } th scope="col" { "Share" } th scope="col" { "Job" } } }
            tbody { @for entry in entries.iter().rev().take(LISTED) { tr {
                td { (moment(of_micros(entry.at_micros))) }
                td { (word(entry.kind)) }
                td { (percent(entry.amount.share_of(population.account.cap))) }
                td { @if let Some(job) = entry.job_id { a href=(format!("/jobs/{job}")) { (short(&job.to_string())) } } @else { "-" } }
            } } }
        } }
    }
}

fn word(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Grant => "granted",
        EntryKind::Reservation => "reserved",
        EntryKind::Charge => "spent",
        EntryKind::Release => "handed back",
    }
}

/// The end of an id: the beginning of those that were made one after the other is the same.
pub(super) fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(12)..).unwrap_or(id)
}

/// How the budget stood after each line: from what it is now, backwards.
fn levels(mut account: Account, entries: &[Entry]) -> Vec<Level> {
    let cap = account.cap;
    let mut levels = Vec::with_capacity(entries.len() + 1);
    for entry in entries.iter().rev() {
        levels.push((account.spent.share_of(cap), account.used().share_of(cap)));
        let (amount, less) =
            (entry.amount, |held: crate::privacy::Amount| held.minus(entry.amount).unwrap_or_default());
        match entry.kind {
            EntryKind::Grant => {}
            EntryKind::Reservation => account.reserved = less(account.reserved),
            EntryKind::Release => account.reserved = account.reserved.plus(amount),
            EntryKind::Charge => {
                account.spent = less(account.spent);
                account.reserved = account.reserved.plus(amount);
            }
        }
    }
    levels.push((account.spent.share_of(cap), account.used().share_of(cap)));
    levels.reverse();
    levels
}

fn drawing(levels: &[Level], label: &str) -> Markup {
    let step = (WIDTH - LEFT) / levels.len().max(1) as f64;
    let y = |share: f64| (HEIGHT - BELOW - ABOVE) * (1.0 - share.clamp(0.0, 1.0)) + ABOVE;
    let area = |of: fn(&Level) -> f64| {
        let mut path = format!("M{LEFT} {:.1}", y(0.0));
        for (i, level) in levels.iter().enumerate() {
            let left = LEFT + step * i as f64;
            path += &format!("L{left:.1} {height:.1}L{:.1} {height:.1}", left + step, height = y(of(level)));
        }
        path + &format!("L{WIDTH} {:.1}Z", y(0.0))
    };
    html! {
        svg.history viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
            path.reserved d=(area(|level| level.1)) {}
            path.spent d=(area(|level| level.0)) {}
            @for share in [0.0, 0.5, 1.0] {
                line.axis x1=(LEFT) x2=(WIDTH) y1=(y(share)) y2=(y(share)) {}
                text x=(LEFT - 6.0) y=(y(share) + 4.0) text-anchor="end" { (format!("{:.0} %", 100.0 * share)) }
            }
            text x=(LEFT) y=(HEIGHT - 4.0) { "earlier" }
            text x=(WIDTH) y=(HEIGHT - 4.0) text-anchor="end" { "now" }
        }
    }
}
