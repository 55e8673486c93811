//! The formal promise: epsilon, what it means, and what was done for it.

use maud::{Markup, html};

use super::about::About;
use super::text::{figure, percent};
use crate::privacy::DpEvent;

/// The promise of a job in words, with the events that it was charged for.
pub(super) fn promise(about: &About) -> Markup {
    if about.public {
        return html! { p { "The dataset was declared public: nothing private was touched, nothing was spent, and \
        nothing is promised about its rows." } };
    }
    html! {
        p { "Everything that this job released is (" (figure(about.epsilon)) ", " (figure(about.delta))
            ")-differentially private for " (about.unit()) ": adding or removing it changes the probability of any \
            outcome by a factor of at most e" sup { (figure(about.epsilon)) } " = " (figure(about.epsilon.exp()))
            ", but for a probability of " (figure(about.delta)) "." }
        p { "In other words: somebody who knows the rest of the table, and holds it for an even chance that "
            (about.unit()) " is in it, will after seeing everything that was released be right with a probability of \
            at most " b { (percent(about.guess())) } " (50 % is blind guessing). That holds whatever they know and \
            however they compute." }
        p { "This is the job by itself. Other jobs on the same people add to it; what bounds their sum is the grant of \
            the dataset's budget, which the ledger keeps." }
        @if let Some(event) = &about.event {
            h3 { "What was charged" }
            ul { @for line in lines(event) { li { (line) } } }
        }
    }
}

/// The events of a tree, one line each, the same ones together.
fn lines(event: &DpEvent) -> Vec<String> {
    let mut lines: Vec<(String, u32)> = Vec::new();
    said(event, 1, &mut lines);
    lines.into_iter().map(|(text, times)| if times > 1 { format!("{times} times: {text}") } else { text }).collect()
}

fn said(event: &DpEvent, times: u32, lines: &mut Vec<(String, u32)>) {
    let text = match event {
        DpEvent::Composed { events } => return events.iter().for_each(|event| said(event, times, lines)),
        DpEvent::SelfComposed { count, event } => return said(event, times.saturating_mul(*count), lines),
        DpEvent::PoissonSampled { sampling_probability, event } => {
            let DpEvent::Gaussian { noise_multiplier } = **event else {
                return lines.push(("an event on a sample".into(), times));
            };
            format!(
                "a clipped sum over a Poisson sample (rate {}) with Gaussian noise of {} times the clipping norm",
                figure(sampling_probability.get()),
                figure(noise_multiplier.get())
            )
        }
        DpEvent::Gaussian { noise_multiplier } => {
            format!("a sum with Gaussian noise of {} times its sensitivity", figure(noise_multiplier.get()))
        }
        DpEvent::DiscreteGaussian { noise_multiplier, sensitivity } => format!(
            "tables of counts with discrete Gaussian noise of standard deviation {} (sensitivity {sensitivity})",
            figure(noise_multiplier.get())
        ),
        DpEvent::EpsilonDelta { epsilon, delta } => {
            format!("an event that is ({}, {})-differentially private", figure(*epsilon), figure(*delta))
        }
    };
    match lines.last_mut() {
        Some(last) if last.0 == text => last.1 = last.1.saturating_add(times),
        _ => lines.push((text, times)),
    }
}
