//! `dp2stage budget`.

use serde_json::Value;

use super::connection::Connection;
use super::failure::Failure;
use super::output::{say, say_json};
use super::words::{columns, moment, number, percent, segment, text};

/// Whose budget.
#[derive(Debug, clap::Args)]
pub struct Budget {
    /// Id or name of the dataset.
    dataset: String,
    #[command(flatten)]
    pub connection: Connection,
}

impl Budget {
    /// Shows how it stands.
    pub async fn run(&self) -> Result<(), Failure> {
        let answer = self.connection.open()?.get(&format!("/v1/datasets/{}/budget", segment(&self.dataset))).await?;
        if self.connection.json { say_json(&answer.text) } else { say(&words(&answer.document)) }
    }
}

fn words(budget: &Value) -> String {
    let of = |name: &str| &budget[name];
    let mut lines = vec![
        format!(
            "granted    epsilon {}, delta {} for one {}",
            number(of("epsilon")),
            number(of("delta")),
            text(budget, "unit")
        ),
        format!("spent      {:>7}", percent(of("spent"))),
        format!("reserved   {:>7}", percent(of("reserved"))),
        format!("remaining  {:>7}", percent(of("remaining"))),
        format!("           one more job may have an epsilon of up to {}", number(of("largest_next_epsilon"))),
    ];
    let entries = of("entries").as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |entry: &Value| {
        let epsilon = entry["epsilon"].as_f64().map(|_| format!("epsilon {}", number(&entry["epsilon"])));
        vec![
            format!("  {}", moment(&entry["at"])),
            text(entry, "kind").to_owned(),
            percent(&entry["share"]),
            epsilon.unwrap_or_default(),
            entry["job_id"].as_str().map(|job| format!("job {job}")).unwrap_or_default(),
            entry["state"].as_str().unwrap_or_default().to_owned(),
        ]
    };
    lines.push(format!("entries\n{}", columns(&entries.iter().map(row).collect::<Vec<_>>())));
    lines.join("\n")
}
