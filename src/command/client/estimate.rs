//! `dp2stage estimate`.

use serde_json::Value;

use super::api::SEVERAL;
use super::connection::Connection;
use super::failure::Failure;
use super::job::JobArguments;
use super::output::{say, say_json};
use super::words::{bytes, number, percent, span};

/// A job that is not submitted.
#[derive(Debug, clap::Args)]
pub struct Estimate {
    #[command(flatten)]
    job: JobArguments,
    #[command(flatten)]
    pub connection: Connection,
}

impl Estimate {
    /// Asks what it would cost; ends as a submission would.
    pub async fn run(&self) -> Result<(), Failure> {
        let body = self.job.body()?;
        let answer = self.connection.open()?.post("/v1/estimates", &body, SEVERAL).await?;
        if self.connection.json {
            say_json(&answer.text)?;
        } else {
            say(&words(&answer.document))?;
        }
        fits(&answer.document)
    }
}

fn words(estimate: &Value) -> String {
    let of = |name: &str| &estimate[name];
    let steps = match of("noise_multiplier").as_f64() {
        Some(sigma) => format!("{} private steps with noise multiplier {sigma:.3}", of("steps")),
        None => "no private steps".into(),
    };
    format!(
        "epsilon {}, delta {}: takes {} of the budget; {} remains\n{} public steps, {steps}\n\
         about {} on an idle machine like the server; {} of memory (a worker may take {})",
        number(of("epsilon")),
        number(of("delta")),
        percent(of("share")),
        percent(of("remaining")),
        of("public_steps"),
        span(of("seconds").as_f64().unwrap_or_default()),
        bytes(of("memory_bytes")),
        bytes(of("memory_limit_bytes")),
    )
}

fn fits(estimate: &Value) -> Result<(), Failure> {
    if estimate["fits_budget"] == false {
        let reason = "it does not fit the budget: `dp2stage budget DATASET` says which epsilon still would".into();
        return Err(Failure::Unfit { budget: true, reason });
    }
    if estimate["fits_memory"] == false {
        let reason =
            format!("it does not fit in a worker's memory; it would with one of these: {}", estimate["largest"]);
        return Err(Failure::Unfit { budget: false, reason });
    }
    Ok(())
}
