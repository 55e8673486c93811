//! A report as one page.

use maud::{Markup, html};

use super::about::About;
use super::evidence::attacks;
use super::frame::{framed, part};
use super::language::language;
use super::promise::promise;
use super::released::released;
use super::text::{count, figure, percent};
use super::{fidelity, utility, verdict};
use crate::report::released::ReleasedFigures;
use crate::report::{CustodianReport, GeneratorReport, KeptRules, Section};

/// The custodian's report of a job as one HTML file: no script, nothing loaded from anywhere.
#[must_use]
pub fn custodian_page(about: &About, report: &CustodianReport) -> String {
    let parts = [
        ("summary", "Summary", summary(about, report)),
        ("promise", "The formal promise", promise(about)),
        ("attacks", "What attacks find", part(&report.evidence, attacks)),
        ("likeness", "Does it look right?", part(&report.fidelity, fidelity::likeness)),
        ("rules", "Does it keep the rules?", part(&report.rules, |kept| rules(kept, report.rows.synthetic))),
        ("models", "Do models work?", models(report)),
        ("language", "The language model", part(&report.language, language)),
        ("making", "How it was made", making(about, &report.generators)),
    ];
    framed(&format!("Synthetic table of {}: report", about.dataset), &top(about, true), &parts)
}

/// What everybody may know of a job's table, as a page. `rows`: synthetic ones.
#[must_use]
pub fn released_page(about: &About, rows: u64, figures: &Section<ReleasedFigures>) -> String {
    let summary = html! {
        div.cards { (verdict::of_promise(about).card()) }
        p { "The table has " b { (count(rows as usize)) } " synthetic rows." }
    };
    let parts = [
        ("summary", "Summary", summary),
        ("promise", "The formal promise", promise(about)),
        ("figures", "How close is it?", part(figures, released)),
        ("making", "How it was made", making(about, &[])),
    ];
    framed(&format!("Synthetic table of {}", about.dataset), &top(about, false), &parts)
}

/// Who may read the page, and what it is about.
fn top(about: &About, exact: bool) -> Markup {
    html! {
        p.soft { "Job " code { (about.job) } ", finished " (about.finished) "." }
        @if exact {
            p.banner.private { b { "For the custodian alone." } " Figures here were computed from the private rows and are \
                not differentially private: do not publish or forward this page. For others there is the released view." }
        } @else {
            p.banner.open { b { "May be published." } " Everything on this page is public, or differentially private and paid for." }
        }
    }
}

fn summary(about: &About, report: &CustodianReport) -> Markup {
    let answers = [
        Some(verdict::of_promise(about)),
        report.evidence.measured().and_then(|found| verdict::of_attacks(found, about)),
        Some(verdict::of_fidelity(report)),
        report.efficacy.measured().map(verdict::of_utility),
    ];
    html! {
        div.cards { @for answer in answers.iter().flatten() { (answer.card()) } }
        (verdict::rules())
        p { "Compared were " b { (count(report.rows.synthetic)) } " synthetic rows with "
            b { (count(report.rows.training)) } " real rows that the generator was trained on and "
            b { (count(report.rows.held_out)) } " real rows that nothing was trained on." }
    }
}

/// Models of all targets; reports of earlier versions have those of the declared one alone.
fn models(report: &CustodianReport) -> Markup {
    html! {
        @if report.utility.is_empty() { (part(&report.efficacy, utility::classes)) } @else { (utility::targets(&report.utility)) }
        h3 { "Stage 1 alone" } (part(&report.stage_one, |alone| utility::stage_one(alone, report)))
    }
}

fn rules(kept: &KeptRules, rows: usize) -> Markup {
    html! {
        @if let Some(drawn) = kept.drawn { p { (count(drawn as usize)) " rows were drawn for the " (count(rows)) " of the table: "
            "those that broke a rule were drawn again." } }
        div.wide { table {
            caption { "Rows that break a rule" }
            thead { tr { th scope="col" { "Rule" } th scope="col" { "Synthetic" } th scope="col" { "Real" } } }
            tbody { @for one in &kept.rules { tr {
                td { (one.rule) } td { (count(one.broken_synthetic as usize)) } td { (count(one.broken_real as usize)) }
            } } }
        } }
    }
}

fn making(about: &About, tried: &[GeneratorReport]) -> Markup {
    html! {
        p { "Stage 1, stage 2, model and generator: " code { (about.variant()) } "." }
        @if !tried.is_empty() { (generators(tried)) }
        details {
            summary { "The request" }
            div.wide { pre { code { (serde_json::to_string_pretty(&about.request).unwrap_or_default()) } } }
        }
    }
}

fn generators(tried: &[GeneratorReport]) -> Markup {
    html! {
        div.wide { table {
            caption { "What drew rows; `distribution` is marginals alone, the baseline" }
            thead { tr {
                th scope="col" { "Generator" } th scope="col" { "Used" } th scope="col" { "Distance from noisy counts" }
                th scope="col" { "Columns in common" } th scope="col" { "Pairs in common" }
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
