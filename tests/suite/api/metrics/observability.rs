//! The dashboard and the alerts that come along (`docker/observability`) ask for what is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Told;
use crate::support::TestApi;

fn file(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/observability").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words in a text that look like names of ours.
fn names(text: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(word).filter(|word| word.starts_with("dp2stage_")).collect()
}

#[tokio::test]
async fn what_is_asked_for_is_told() {
    let api = TestApi::open().await;
    api.get("/v1/datasets").await;
    let told = Told::of(api.sources()).await.read().await;
    let known: BTreeSet<&str> = told.samples().map(|(name, _, _)| name.as_str()).collect();
    let (dashboard, alerts) = (file("dashboard.json"), file("alerts.yaml"));
    for (text, least) in [(&dashboard, 20), (&alerts, 10)] {
        let asked = names(text);
        assert!(asked.len() >= least, "{asked:?}");
        let unknown: Vec<_> = asked.iter().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "nobody tells {unknown:?}");
    }
    // Labels that panels and alerts choose by have the values that are told.
    let values: BTreeSet<&str> =
        told.samples().flat_map(|(_, labels, _)| labels.values().map(String::as_str)).collect();
    for text in [&dashboard.replace("\\\"", "\""), &alerts] {
        for (at, _) in text.match_indices("=\"") {
            let value = text[at + 2..].split('"').next().unwrap();
            assert!(
                ["5xx", "dp2stage"].contains(&value) || value.starts_with('$') || values.contains(value),
                "no label has the value {value}"
            );
        }
    }
    // Every alert says what to do.
    assert_eq!(alerts.matches("- alert:").count(), alerts.matches("description:").count());
    let panels: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    for panel in panels["panels"].as_array().unwrap() {
        assert!(
            panel["type"] == "row" || panel["description"].as_str().is_some_and(|words| words.len() > 20),
            "{panel}"
        );
    }
}
