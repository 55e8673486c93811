//! The language model and what it took.

use maud::{Markup, html};

use super::frame::part;
use super::text::{count, figure, percent};
use crate::report::LanguageView;
use crate::report::language::{Energy, EnergySource, Generation};

/// The language model.
pub(super) fn language(view: &LanguageView) -> Markup {
    html! {
        p.soft { (view.says) }
        (part(&view.perplexity, |found| html! {
            p { "Perplexity of values in held-out rows: " b { (figure(found.values)) } " (1 would be a model that knows every value)." }
            @if let Some(tokens) = found.names.measured() { p { "Of single tokens, unconstrained: " b { (figure(tokens.values)) } " of values, "
                b { (figure(tokens.names)) } " of names of columns, over " (count(tokens.rows)) " rows." } }
        }))
        (part(&view.validity, |found| html! { p { "Valid rows when nothing constrains the model: " b { (percent(found.valid.share)) }
            " of " (count(found.rows)) ". Under constraints, as the table was written, all are." } }))
        (part(&view.generation, generation))
        (part(&view.energy, energy))
    }
}

fn generation(found: &Generation) -> Markup {
    html! { p { (figure(found.seconds_per_1000_rows)) " s for 1,000 rows; " (figure(found.tokens_per_row)) " tokens a row, "
    (figure(found.tokens as f64)) " tokens in all." } }
}

fn energy(found: &Energy) -> Markup {
    let source = match found.source {
        EnergySource::Rapl => "measured by the processors' counters",
        EnergySource::NvidiaSmi => "measured by the card, the processor's part estimated",
        EnergySource::Estimate => "an estimate from processor seconds, not a measurement",
    };
    html! { p { "Energy of training and generation: " b { (figure(found.watt_hours)) } " Wh (" (source) "), in " (figure(found.seconds))
    " s by the clock and " (figure(found.cpu_seconds)) " processor seconds." } }
}
