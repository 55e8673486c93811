//! A report on one screen.

use serde_json::Value;

/// The figures of a custodian's report as a table.
pub fn table(report: &Value) -> String {
    let mut lines = vec![
        line("", ["synthetic", "real"].map(str::to_owned)),
        line("columns alike, mean (1-way)", [number(&report["one_way"]["mean"]), "1".into()]),
        line("pairs alike, mean (2-way)", [number(&report["two_way"]["mean"]), "1".into()]),
    ];
    let efficacy = &report["efficacy"];
    for (model, title) in [("logistic", "logistic regression"), ("boosting", "gradient boosting")] {
        let scores = &efficacy[model];
        if scores.is_object() {
            for (score, word) in [("roc_auc", "ROC-AUC"), ("f1", "F1")] {
                let pair = ["synthetic", "real"].map(|of| number(&scores[of][score]));
                lines.push(line(&format!("{title}, {word}"), pair));
            }
        }
    }
    let of = |tried: &Value| format!("{} {}", tried["generator"].as_str().unwrap_or("-"), number(&tried["distance"]));
    if let Some(tried @ [used, ..]) = report["generators"].as_array().map(Vec::as_slice) {
        let drew = used["generator"].as_str().unwrap_or("-");
        let distances: Vec<String> = tried.iter().map(of).collect();
        lines.push(format!("  drawn by {drew} (distance from the noisy counts: {})", distances.join(", ")));
    }
    if let Some(reason) = efficacy["absent"].as_str() {
        lines.push(format!("  efficacy: {reason}"));
    }
    lines.join("\n")
}

fn line(title: &str, [synthetic, real]: [String; 2]) -> String {
    format!("  {title:<32} {synthetic:>10} {real:>10}")
}

fn number(value: &Value) -> String {
    value.as_f64().map_or("-".into(), |x| format!("{x:.3}"))
}
