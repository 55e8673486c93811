//! What a demo can be told, and what it finds out for itself.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::clinic;
use crate::command::client::below_one_over;

/// Flags of `dp2stage demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// A CSV with a header; a clinic register that the program draws itself unless given.
    #[arg(requires = "schema", value_name = "TABLE.csv")]
    table: Option<PathBuf>,
    /// The declared columns of the table, JSON.
    #[arg(long, requires = "table", value_name = "SCHEMA.json")]
    schema: Option<PathBuf>,
    /// The epsilon to spend.
    #[arg(long, default_value_t = 1.0)]
    pub epsilon: f64,
    /// The delta to spend; the power of ten below 1/rows unless given.
    #[arg(long)]
    delta: Option<f64>,
    /// About how many rows there are: a number you are willing to publish. The lines of the table
    /// unless given, and then published by you.
    #[arg(long)]
    rows_public: Option<u64>,
    /// The folder for the synthetic table, the report and the files of the curl lines.
    #[arg(long, default_value = "dp2stage-demo", value_name = "DIR")]
    pub out: PathBuf,
    /// Leave the server up at the end, until Ctrl-C.
    #[arg(long)]
    pub keep: bool,
}

/// A table with everything that is declared about it.
pub struct Example {
    /// A name for the dataset.
    pub name: String,
    /// The table, CSV.
    pub csv: Vec<u8>,
    /// The declared columns.
    pub schema: Value,
    /// The declared number of rows.
    pub rows_public: u64,
    /// Delta.
    pub delta: f64,
}

impl DemoArguments {
    /// Reads the table, or draws the register.
    pub fn example(&self) -> anyhow::Result<Example> {
        let (name, csv, schema) = match (&self.table, &self.schema) {
            (Some(table), Some(schema)) => {
                let name = table.file_stem().map_or("table".into(), |s| s.to_string_lossy().into_owned());
                let text = read(schema)?;
                let schema =
                    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", schema.display()))?;
                (name, read(table)?, schema)
            }
            _ => ("clinic".into(), clinic::draw().into_bytes(), clinic::schema()),
        };
        let lines = csv.split(|&b| b == b'\n').filter(|line| !line.is_empty()).count() as u64;
        let rows_public = self.rows_public.unwrap_or_else(|| lines.saturating_sub(1)).max(1);
        let delta = self.delta.unwrap_or_else(|| below_one_over(rows_public));
        Ok(Example { name, csv, schema, rows_public, delta })
    }
}

impl Example {
    /// The declaration as the API takes it.
    pub fn dataset(&self, name: &str, epsilon: f64) -> Value {
        json!({"name": name, "schema": self.schema, "rows_public": self.rows_public,
               "budget": {"epsilon": epsilon, "delta": self.delta}})
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}
