//! Whether models that are fitted on synthetic rows work on real ones.

use maud::{Markup, html};

use super::text::{count, figure};
use crate::report::{Efficacy, Models, Scores};

/// The models of one target.
pub(super) fn models(efficacy: &Efficacy) -> Markup {
    html! {
        p { "Models that predict " b { (efficacy.target) }
            @if let Some(positive) = &efficacy.positive { " (" b { (positive) } " against the rest)" }
            ", fitted on " (count(efficacy.synthetic_rows)) " synthetic or on " (count(efficacy.real_rows))
            " real training rows, and scored on the same " (count(efficacy.held_out_rows))
            " real rows that nothing was ever trained on. The real column is the most one may hope for." }
        div.wide { table {
            thead { tr {
                th scope="col" { "Model and score" } th scope="col" { "Synthetic" } th scope="col" { "Real" }
                th scope="col" { "Difference" }
            } }
            tbody {
                (scores("Logistic regression", &efficacy.logistic))
                (scores("Gradient boosting", &efficacy.boosting))
            }
        } }
    }
}

fn scores(model: &str, models: &Models) -> Markup {
    let line = |word: &str, of: &dyn Fn(&Scores) -> Option<f64>| {
        let Some((synthetic, real)) = of(&models.synthetic).zip(of(&models.real)) else { return html! {} };
        html! { tr {
            td { (model) ", " (word) } td { (figure(synthetic)) } td { (figure(real)) } td { (figure(synthetic - real)) }
        } }
    };
    html! {
        (line("ROC-AUC", &|s| Some(s.roc_auc)))
        (line("F1", &|s| s.f1))
        (line("macro F1", &|s| Some(s.macro_f1)))
        (line("accuracy", &|s| Some(s.accuracy)))
    }
}
