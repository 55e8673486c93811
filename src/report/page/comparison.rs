//! Jobs of one dataset side by side, as a page.

use maud::{Markup, html};

use super::charts::{Axis, Line, Plot, lines};
use super::frame::{absent, framed, key, part};
use super::text::{figure, percent};
use crate::report::comparison::{ComparedJob, Comparison, JobFigures, JobLine, Pair, ReleasedComparison};
use crate::report::released::{Noisy, ReleasedFigures};

/// A point of a job: the epsilon is at least this on the drawing, so that public jobs have a place.
const LEAST_EPSILON: f64 = 0.01;

/// The custodian's page.
#[must_use]
pub fn comparison_page(comparison: &Comparison) -> String {
    let top = html! { p.banner.private { b { "For the custodian alone." } " " (comparison.notice) } };
    let parts =
        [("curves", "Epsilon against quality", curves(&comparison.jobs)), ("jobs", "Jobs", table(&comparison.jobs))];
    framed(&format!("Jobs of {}: comparison", comparison.dataset), &top, &parts)
}

/// The page for everybody.
#[must_use]
pub fn released_comparison_page(comparison: &ReleasedComparison) -> String {
    let top = html! { p.banner.open { b { "May be published." } " Figures were bought with a part of the job's         epsilon and hold noise; where there are none, how good the table is is known to its custodian." } };
    let jobs = html! {
        @if comparison.jobs.is_empty() { (absent("No job of this dataset has succeeded yet.")) }
        p.soft { "Newest first, with 95 % intervals. Columns and pairs: mean share that histograms have in common with the real \
            ones. Boosting: fitted on synthetic rows, scored on held-out real ones." }
        div.wide { table.jobs {
            thead { (head(&["Columns", "Pairs", "Boosting AUC", "Boosting accuracy"])) }
            tbody { @for one in &comparison.jobs { tr {
                (facts(&one.line)) (bought(one.figures.measured())) (job(&one.line))
            } } }
        } }
    };
    framed(&format!("Jobs of {}", comparison.dataset), &top, &[("jobs", "Jobs", jobs)])
}

fn head(more: &[&str]) -> Markup {
    html! { tr {
        th scope="col" { "Stage 1 / stage 2 / model / generator" } th scope="col" { "Epsilon" } th scope="col" { "Delta" }
        @for name in more { th scope="col" { (name) } }
        th scope="col" { "Job" }
    } }
}

fn facts(line: &JobLine) -> Markup {
    html! { td { (line.variant) } td { (figure(line.epsilon)) } td { (figure(line.delta)) } }
}

/// Four cells of figures, empty where they were not bought.
fn bought(figures: Option<&ReleasedFigures>) -> Markup {
    let target = figures.and_then(|figures| figures.target.measured());
    let of = |noisy: Option<Noisy>, word: fn(f64) -> String| {
        let shown = |noisy: Noisy| format!("{} ({} to {})", word(noisy.value), word(noisy.low), word(noisy.high));
        html! { td { (noisy.map_or("-".into(), shown)) } }
    };
    html! {
        (of(figures.map(|figures| figures.one_way), percent))
        (of(figures.and_then(|figures| figures.two_way.measured().copied()), percent))
        (of(target.and_then(|target| target.roc_auc), figure))
        (of(target.map(|target| target.accuracy), figure))
    }
}

fn job(line: &JobLine) -> Markup {
    html! { td { code title=(line.finished_at) { (line.job) } } }
}

fn table(jobs: &[ComparedJob]) -> Markup {
    let names = [
        "Drawn by",
        "Columns",
        "Pairs",
        "Pairs, marginals alone",
        "LR AUC",
        "LR F1",
        "Boosting AUC",
        "Boosting F1",
        "Worst attack",
    ];
    let optional = |x: Option<f64>, shown: fn(f64) -> String| x.map_or("-".into(), shown);
    html! {
        @if jobs.is_empty() { (absent("No job of this dataset has succeeded yet.")) }
        p.soft { "Newest first. Columns and pairs: mean share that histograms have in common with the real ones. Models: fitted on \
            synthetic rows, scored on held-out real ones. Worst attack: area under the ROC curve of the best attack on membership, .5 is \
            ideal. Marginals alone (" code { "distribution" } ") is the baseline: what AIM and MST do." }
        div.wide { table.jobs {
            thead { (head(&names)) }
            tbody { @for one in jobs { tr {
                (facts(&one.line))
                @match one.figures.measured() {
                    Some(found) => {
                        td { (found.generator.as_deref().unwrap_or("-")) }
                        td { (percent(found.one_way)) } td { (optional(found.two_way, percent)) }
                        td { (optional(found.baseline.and_then(|base| base.two_way), percent)) }
                        @for pair in [|f: &JobFigures| f.target.as_ref().map(|t| t.logistic), |f: &JobFigures| f.target.as_ref().map(|t| t.boosting)] {
                            td { (optional(pair(found).map(|p| p.roc_auc), figure)) } td { (optional(pair(found).map(|p| p.f1), figure)) }
                        }
                        td { (optional(found.membership, figure)) }
                    }
                    None => { td colspan=(names.len()) { (part(&one.figures, |_| html! {})) } }
                }
                (job(&one.line))
            } } }
        } }
    }
}

/// One drawing for each figure that there is.
fn curves(jobs: &[ComparedJob]) -> Markup {
    let boosted =
        |of: fn(&Pair) -> f64| move |found: &JobFigures| found.target.as_ref().map(|target| of(&target.boosting));
    html! {
        (key(&[("made", "drawn by a language model"), ("up", "marginals alone"), ("real", "fitted on real rows: the most one may hope for")]))
        div.pair.two {
            (curve(jobs, ("Boosting, ROC-AUC", &boosted(|p| p.roc_auc)), Some(&boosted(|p| p.real_roc_auc))))
            (curve(jobs, ("Boosting, F1", &boosted(|p| p.f1)), Some(&boosted(|p| p.real_f1))))
            (curve(jobs, ("Pairs in common", &|found| found.two_way), None))
            (curve(jobs, ("Columns in common", &|found| Some(found.one_way)), None))
        }
    }
}

type Of<'a> = &'a dyn Fn(&JobFigures) -> Option<f64>;

fn curve(jobs: &[ComparedJob], (name, of): (&str, Of<'_>), ceiling: Option<Of<'_>>) -> Markup {
    let measured =
        || jobs.iter().filter_map(|one| Some((one.line.epsilon.max(LEAST_EPSILON), one.figures.measured()?)));
    let points = |of: Of<'_>, keep: &dyn Fn(&JobFigures) -> bool| {
        let mut points: Vec<_> =
            measured().filter(|(_, found)| keep(found)).filter_map(|(x, found)| Some((x, of(found)?))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let alone = |found: &JobFigures| found.generator.as_deref() == Some("distribution");
    let drawn = [
        Line { class: "real", points: ceiling.map(|of| points(of, &|_| true)).unwrap_or_default(), joined: true },
        Line { class: "up", points: points(of, &alone), joined: false },
        Line { class: "made", points: points(of, &|found| !alone(found)), joined: false },
    ];
    let all = || drawn.iter().flat_map(|line| line.points.iter().copied());
    if all().next().is_none() {
        return html! {};
    }
    let low = all().map(|(_, y)| y).fold(1.0, f64::min);
    let low = ((low - 0.02) * 20.0).floor() / 20.0;
    let (from, to) = all().map(|(x, _)| x).fold((f64::INFINITY, 0.0f64), |(a, b), x| (a.min(x), b.max(x)));
    let ticks: Vec<f64> = [0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0]
        .into_iter()
        .filter(|x| (from / 1.5..=to * 1.5).contains(x))
        .collect();
    let label = format!("{name} against epsilon, one point a job");
    let plot = Plot {
        label: &label,
        x: Axis { name: "epsilon (by factors)", ends: (from / 1.5, to * 1.5), logarithmic: true, ticks: &ticks },
        y: Axis { name, ends: (low, 1.0), logarithmic: false, ticks: &[low, f64::midpoint(low, 1.0), 1.0] },
        lines: &drawn,
        guide: None,
    };
    html! { figure { (lines(&plot)) figcaption { b { (name) } } } }
}
