//! What attacks found, with what it can and cannot show.

use maud::{Markup, html};

use super::charts::{Interval, intervals};
use super::frame::part;
use super::text::{count, figure, percent};
use crate::report::evidence::{Attributes, CanaryAudit, ClosestRecords, Copies, Evidence, Membership, Operating};

/// All attacks.
pub(super) fn attacks(evidence: &Evidence) -> Markup {
    html! {
        p { (evidence.says) }
        (bounds(evidence))
        h3 { "Who was in the table" } (part(&evidence.membership, membership))
        h3 { "What a missing cell was" } (part(&evidence.attributes, attributes))
        h3 { "How near synthetic rows are" } (part(&evidence.closest, closest))
        h3 { "Exact copies" } (part(&evidence.copies, copies))
        h3 { "Canaries" } (part(&evidence.canaries, canaries))
    }
}

/// What the attacks refute, beside the claim.
fn bounds(evidence: &Evidence) -> Markup {
    let found = [
        ("attacks on membership", evidence.membership.measured().map(|m| m.epsilon_at_least)),
        ("the canaries", evidence.canaries.measured().map(|c| c.epsilon_at_least)),
    ];
    html! {
        @for (of, bound) in found.iter().filter_map(|(of, bound)| Some((of, (*bound)?))) {
            p { "The largest epsilon that " (of) " refute with 95 % certainty: " b { (figure(bound)) }
                @if let Some(claim) = &evidence.claim {
                    "; claimed is " b { (figure(claim.epsilon)) } "."
                    @if bound > claim.epsilon { " " span.word.poor { "The claim does not hold: do not release this table." } }
                } @else { "; the job claims none." }
            }
        }
    }
}

fn membership(found: &Membership) -> Markup {
    let rows: Vec<_> = found
        .attacks
        .iter()
        .map(|attack| Interval {
            name: attack.attack.replace('_', " "),
            low: attack.area.interval.low,
            value: attack.area.share,
            high: attack.area.interval.high,
        })
        .collect();
    html! {
        figure {
            div.wide { (intervals("Area under the ROC curve of each attack, with 95 % intervals", &rows, (0.3, 1.0), (0.5, "guessing"))) }
            figcaption { b { "Area under the ROC curve" } ": how often a person of the training table looks more like a member \
                than one of the held-out table. " (count(found.members)) " of the one, " (count(found.non_members)) " of the other." }
        }
        div.wide { table {
            caption { "Members found when few others may be taken for one" }
            thead { tr { th scope="col" { "Attack" } th scope="col" { "False alarms allowed" } th scope="col" { "False alarms" }
                th scope="col" { "Members found" } th scope="col" { "95 % interval" } } }
            tbody { @for attack in &found.attacks { @for at in &attack.at { (operating(&attack.attack, at)) } } }
        } }
        p.soft { (found.says) }
    }
}

fn operating(attack: &str, at: &Operating) -> Markup {
    html! { tr {
        td { (attack.replace('_', " ")) } td { (percent(at.allowed_alarms)) } td { (percent(at.alarms)) }
        td { (percent(at.hits.share)) } td { (percent(at.hits.interval.low)) " to " (percent(at.hits.interval.high)) }
    } }
}

fn attributes(found: &Attributes) -> Markup {
    let rows: Vec<_> = found
        .columns
        .iter()
        .map(|column| Interval {
            name: super::text::shortened(&column.column, 34),
            low: column.beyond_held_out.interval.low,
            value: column.beyond_held_out.value,
            high: column.beyond_held_out.interval.high,
        })
        .collect();
    let widest = rows.iter().flat_map(|row| [row.low.abs(), row.high.abs()]).fold(0.05, f64::max);
    html! {
        figure {
            div.wide { (intervals("How much better each column is guessed of members than of others", &rows, (-widest, widest), (0.0, "no difference"))) }
            figcaption { b { "Guessed right of members, less of others" } ": above the dashed line, somebody's being in the table \
                is what gave the cell away." }
        }
        details {
            summary { "Guesses, column by column" }
            div.wide { table {
                thead { tr { th scope="col" { "Column" } th scope="col" { "Of members" } th scope="col" { "Of others" } } }
                tbody { @for column in &found.columns { tr {
                    td { (column.column) } td { (percent(column.of_training)) } td { (percent(column.of_held_out)) }
                } } }
            } }
        }
        p.soft { (found.says) }
    }
}

fn closest(found: &ClosestRecords) -> Markup {
    let near = &found.nearer_to_training;
    html! {
        p { b { (percent(near.share)) } " of synthetic rows (" (percent(near.interval.low)) " to " (percent(near.interval.high))
            ") are nearer to a training row than to any of as many held-out rows; 50 % is what a table that copies nobody has." }
        div.wide { table {
            thead { tr { th scope="col" { "Distance of a synthetic row" } th scope="col" { "Median" } th scope="col" { "One in twenty below" } } }
            tbody {
                @for (name, one) in [("to the closest training row", &found.to_training), ("to the closest held-out row", &found.to_held_out),
                    ("closest over second closest, training", &found.ratio_to_training), ("closest over second closest, held out", &found.ratio_to_held_out)] {
                    tr { td { (name) } td { (figure(one.median)) } td { (figure(one.percentile_5)) } }
                }
            }
        } }
        p.soft { (found.says) }
    }
}

fn copies(found: &Copies) -> Markup {
    let beyond = &found.beyond_chance;
    html! {
        p { b { (percent(found.of_training.share)) } " of synthetic rows equal a training row, " b { (percent(found.of_held_out.share)) }
            " equal one of as many held-out rows: " (percent(beyond.value)) " beyond chance (" (percent(beyond.interval.low)) " to "
            (percent(beyond.interval.high)) ")." }
        p.soft { (found.says) }
    }
}

fn canaries(found: &CanaryAudit) -> Markup {
    html! {
        p { "Of " (count(found.canaries)) " made-up rows, coins put " (count(found.trained_on)) " into the training table. Of "
            (count(found.guesses)) " guesses from " (found.scored_by) " scores " b { (percent(found.right.share)) } " were right ("
            (percent(found.right.interval.low)) " to " (percent(found.right.interval.high)) "; 50 % is guessing). An audit of this size \
            shows an epsilon of " (figure(found.epsilon_at_most)) " at most." }
        p.soft { (found.says) }
    }
}
