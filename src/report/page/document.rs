//! A report as one page.

use maud::{Markup, html};

use super::about::About;
use super::frame::{absent, framed};
use super::promise::promise;
use super::text::{count, figure, percent};
use super::{fidelity, utility, verdict};
use crate::report::{CustodianReport, GeneratorReport, Section};

/// The custodian's report of a job as one HTML file: no script, nothing loaded from anywhere.
#[must_use]
pub fn custodian_page(about: &About, report: &CustodianReport) -> String {
    let title = format!("Synthetic table of {}: report", about.dataset);
    let efficacy = match &report.efficacy {
        Section::Measured(efficacy) => utility::models(efficacy),
        Section::Absent { absent: reason } => absent(reason),
    };
    let likeness = html! { (fidelity::columns(&report.one_way)) (fidelity::pairs(&report.two_way)) };
    let parts = [
        ("summary", "Summary", summary(about, report)),
        ("promise", "The formal promise", promise(about)),
        ("likeness", "Does it look right?", likeness),
        ("models", "Do models work?", efficacy),
        ("making", "How it was made", making(about, report)),
    ];
    framed(&title, &top(about, true), &parts)
}

/// Who may read the page, and what it is about.
pub(super) fn top(about: &About, exact: bool) -> Markup {
    html! {
        p.soft { "Job " code { (about.job) } ", finished " (about.finished) "." }
        @if exact {
            p.banner.private { b { "For the custodian alone." } " Figures here were computed from the private rows and are \
                not differentially private: do not publish or forward this page. For others there is the released view." }
        } @else {
            p.banner.open { b { "May be published." } " Everything on this page is public, computed from the synthetic table \
                alone, or differentially private and paid for." }
        }
    }
}

fn summary(about: &About, report: &CustodianReport) -> Markup {
    let efficacy = report.efficacy.measured().map(verdict::of_utility);
    let answers = [Some(verdict::of_promise(about)), Some(verdict::of_fidelity(report)), efficacy];
    html! {
        div.cards { @for answer in answers.iter().flatten() { (answer.card()) } }
        (verdict::rules())
        p { "Compared were " b { (count(report.rows.synthetic)) } " synthetic rows with "
            b { (count(report.rows.training)) } " real rows that the generator was trained on and "
            b { (count(report.rows.held_out)) } " real rows that nothing was trained on." }
    }
}

fn making(about: &About, report: &CustodianReport) -> Markup {
    html! {
        p { "Stage 1, stage 2, model and generator: " code { (about.variant()) } "." }
        @if !report.generators.is_empty() { (generators(&report.generators)) }
        @if let Some(perplexity) = &report.perplexity {
            p { "The language model's perplexity of values in held-out rows: " b { (figure(perplexity.values)) }
                " (1 would be a model that knows every value)." }
        }
        details {
            summary { "The request" }
            pre { code { (serde_json::to_string_pretty(&about.request).unwrap_or_default()) } }
        }
    }
}

fn generators(tried: &[GeneratorReport]) -> Markup {
    html! {
        div.wide { table {
            caption { "What drew rows" }
            thead { tr {
                th scope="col" { "Generator" } th scope="col" { "Used" } th scope="col" { "Distance from noisy counts" }
                th scope="col" { "Columns" } th scope="col" { "Pairs" }
            } }
            tbody { @for one in tried { tr {
                td { (one.generator) }
                td { (if one.used { "yes" } else { "no" }) }
                td { (one.distance.map_or("-".into(), figure)) }
                td { (percent(one.one_way)) }
                td { (one.two_way.map_or("-".into(), percent)) }
            } } }
        } }
    }
}
