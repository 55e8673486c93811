//! Whether models that are fitted on synthetic rows work on real ones.

use maud::{Markup, html};

use super::charts::{Axis, Line, Plot, lines};
use super::frame::{key, part};
use super::text::{count, figure};
use crate::report::{
    Calibration, Calibrations, CustodianReport, Efficacy, Models, NumberModels, NumberScores, Prediction, Regression,
    Scores, StageOneReport, TargetUtility,
};

/// Every target.
pub(super) fn targets(found: &[TargetUtility]) -> Markup {
    html! {
        @for target in found {
            @if found.len() > 1 { h3 { (target.column) } }
            (part(&target.prediction, |prediction| match prediction {
                Prediction::Classification(efficacy) => classes(efficacy),
                Prediction::Regression(regression) => numbers(regression),
            }))
        }
        @if found.is_empty() { (super::frame::absent("The schema declares no target column for models to predict.")) }
    }
}

fn sizes((synthetic, real, held_out): (usize, usize, usize)) -> Markup {
    html! {
        "fitted on " (count(synthetic)) " synthetic or on " (count(real)) " real training rows, and scored on the same "
        (count(held_out)) " real rows that nothing was ever trained on. The real column is the most one may hope for."
    }
}

/// Models that tell classes apart.
pub(super) fn classes(efficacy: &Efficacy) -> Markup {
    html! {
        p { "Models that predict " b { (efficacy.target) }
            @if let Some(positive) = &efficacy.positive { " (" b { (positive) } " against the rest)" } ", "
            (sizes((efficacy.synthetic_rows, efficacy.real_rows, efficacy.held_out_rows))) }
        div.wide { table {
            (head())
            tbody {
                (scores("Logistic regression", &efficacy.logistic))
                (scores("Gradient boosting", &efficacy.boosting))
                @if let Some(base) = &efficacy.baseline { tr {
                    td { "Accuracy of always the same guess" } td { (figure(base.accuracy)) } td {} td {}
                } }
            }
        } }
        div.pair {
            @for (name, models) in [("Logistic regression", &efficacy.logistic), ("Gradient boosting", &efficacy.boosting)] {
                @if let Some(both) = &models.calibration { (calibration(name, both)) }
            }
        }
    }
}

fn head() -> Markup {
    html! { thead { tr {
        th scope="col" { "Model and score" } th scope="col" { "Synthetic" } th scope="col" { "Real" } th scope="col" { "Difference" }
    } } }
}

fn row(name: &str, synthetic: f64, real: f64) -> Markup {
    html! { tr { td { (name) } td { (figure(synthetic)) } td { (figure(real)) } td { (figure(synthetic - real)) } } }
}

fn scores(model: &str, models: &Models) -> Markup {
    let line = |word: &str, of: &dyn Fn(&Scores) -> Option<f64>| {
        let pair = of(&models.synthetic).zip(of(&models.real));
        pair.map_or_else(|| html! {}, |(synthetic, real)| row(&format!("{model}, {word}"), synthetic, real))
    };
    html! {
        (line("ROC-AUC", &|s| Some(s.roc_auc)))
        (line("F1", &|s| s.f1))
        (line("macro F1", &|s| Some(s.macro_f1)))
        (line("accuracy", &|s| Some(s.accuracy)))
    }
}

/// Whether probabilities mean what they say.
fn calibration(model: &str, both: &Calibrations) -> Markup {
    let curve = |class, of: &Calibration| Line {
        class,
        points: of.bins.iter().filter(|bin| bin.rows > 0).map(|bin| (bin.predicted, bin.observed)).collect(),
        joined: true,
    };
    let drawn = [curve("real", &both.real), curve("made", &both.synthetic)];
    let ticks = &[0.0, 0.5, 1.0];
    let axis = |name| Axis { name, ends: (0.0, 1.0), logarithmic: false, ticks };
    let label = format!("Calibration of {model}: predicted probability against observed share");
    html! {
        figure {
            (lines(&Plot { label: &label, x: axis("predicted probability"), y: axis("observed share"), lines: &drawn,
                guide: Some([(0.0, 0.0), (1.0, 1.0)]) }))
            figcaption { b { (model) } ": do probabilities mean what they say? The dashed line would be perfect. Expected error "
                (figure(both.synthetic.expected_error)) " (real " (figure(both.real.expected_error)) "), Brier score "
                (figure(both.synthetic.brier)) " (real " (figure(both.real.brier)) ")."
                (key(&[("real", "fitted on real rows"), ("made", "on synthetic rows")])) }
        }
    }
}

/// What stage 1 alone is worth, beside both stages.
pub(super) fn stage_one(alone: &StageOneReport, report: &CustodianReport) -> Markup {
    let both = |column: &str| report.utility.iter().find(|target| target.column == column);
    let line = |name: &str, alone: Option<f64>, both: Option<f64>| {
        html! { tr { td { (name) } td { (alone.map_or("-".into(), figure)) } td { (both.map_or("-".into(), figure)) } } }
    };
    html! {
        p { "The same of " (count(alone.rows)) " rows of the language model as it was before stage 2: what the private steps added." }
        div.wide { table {
            thead { tr { th scope="col" { "What" } th scope="col" { "Stage 1 alone" } th scope="col" { "The table" } } }
            tbody {
                (line("columns in common", Some(alone.one_way), Some(report.one_way.mean)))
                (line("pairs in common", alone.two_way, report.two_way.measured().map(|pairs| pairs.mean)))
                @for target in &alone.utility {
                    @for (name, of) in SCORES {
                        @let scores = [Some(target), both(&target.column)].map(|one| one.and_then(of));
                        @if scores[0].is_some() { (line(&format!("{}: {name}", target.column), scores[0], scores[1])) }
                    }
                }
            }
        } }
    }
}

/// A score of a target, where it has it.
type Score = fn(&TargetUtility) -> Option<f64>;

/// The scores by which stages are compared.
const SCORES: [(&str, Score); 4] = [
    ("logistic regression, ROC-AUC", |target| Some(classified(target)?.logistic.synthetic.roc_auc)),
    ("boosting, ROC-AUC", |target| Some(classified(target)?.boosting.synthetic.roc_auc)),
    ("linear regression, R2", |target| Some(predicted(target)?.linear.synthetic.r2)),
    ("boosting, R2", |target| Some(predicted(target)?.boosting.synthetic.r2)),
];

fn classified(target: &TargetUtility) -> Option<&Efficacy> {
    match target.prediction.measured()? {
        Prediction::Classification(efficacy) => Some(efficacy),
        Prediction::Regression(_) => None,
    }
}

fn predicted(target: &TargetUtility) -> Option<&Regression> {
    match target.prediction.measured()? {
        Prediction::Regression(regression) => Some(regression),
        Prediction::Classification(_) => None,
    }
}

/// Models of a number.
fn numbers(regression: &Regression) -> Markup {
    html! {
        p { "Models that predict the number " b { (regression.target) } ", "
            (sizes((regression.synthetic_rows, regression.real_rows, regression.held_out_rows))) }
        div.wide { table {
            (head())
            tbody {
                (number_scores("Linear regression", &regression.linear))
                (number_scores("Gradient boosting", &regression.boosting))
                tr { td { "Root of the mean squared error of always the same guess" } td { (figure(regression.baseline.rmse)) } td {} td {} }
            }
        } }
    }
}

fn number_scores(model: &str, models: &NumberModels) -> Markup {
    let line = |word: &str, of: fn(&NumberScores) -> f64| {
        row(&format!("{model}, {word}"), of(&models.synthetic), of(&models.real))
    };
    html! {
        (line("R2", |s| s.r2))
        (line("root of the mean squared error", |s| s.rmse))
        (line("mean absolute error", |s| s.mae))
    }
}
