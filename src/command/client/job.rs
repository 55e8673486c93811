//! A job that is asked for: from flags, from a JSON file, or both.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::failure::Failure;
use super::output::read_object;

/// What to make. `submit` and `estimate` take the same.
#[derive(Debug, clap::Args)]
pub struct JobArguments {
    /// The job as JSON, a file, or - for standard input. Flags go over what it says.
    #[arg(value_name = "JOB.json")]
    file: Option<PathBuf>,
    /// Id or name of the dataset.
    #[arg(long, required_unless_present = "file")]
    dataset: Option<String>,
    /// The epsilon of the job by itself.
    #[arg(long, required_unless_present = "file", value_parser = finite)]
    epsilon: Option<f64>,
    /// The delta that it is planned for; the grant's unless given.
    #[arg(long, value_parser = finite)]
    delta: Option<f64>,
    /// How many synthetic rows; the declared number unless given.
    #[arg(long)]
    rows: Option<u64>,
    /// Among your jobs that wait, the higher goes first: -100 to 100.
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i16>,
    /// What stage 1 trains on: marginal, uniform, public, none or non_private.
    #[arg(long, value_name = "WORD")]
    stage1: Option<String>,
    /// With --stage1 public: id or name of the public dataset.
    #[arg(long, value_name = "DATASET")]
    public_dataset: Option<String>,
    /// What stage 2 trains: full, lora, heads, adapter or none.
    #[arg(long, value_name = "WORD")]
    stage2: Option<String>,
    /// The language model: small, or a ready-made one that the server knows.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What draws the rows: auto, lm or distribution.
    #[arg(long, value_name = "WORD")]
    generator: Option<String>,
    /// Anything else, by its place in the request: --set training.steps=200 --set report.canaries=500.
    #[arg(long = "set", value_name = "PLACE=VALUE", value_parser = setting)]
    settings: Vec<Setting>,
}

/// A value and its place.
#[derive(Clone, Debug)]
struct Setting {
    place: Vec<String>,
    value: Value,
}

/// A number that JSON can hold.
pub fn finite(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(|| "not a number".to_owned())
}

fn setting(text: &str) -> Result<Setting, String> {
    let (place, value) = text.split_once('=').ok_or("it is PLACE=VALUE, like training.steps=200")?;
    let place: Vec<String> = place.split('.').map(str::to_owned).collect();
    if place.iter().any(String::is_empty) {
        return Err("a part of the place has no name".into());
    }
    // What is not JSON is a word.
    Ok(Setting { place, value: serde_json::from_str(value).unwrap_or_else(|_| json!(value)) })
}

impl JobArguments {
    /// The body of the request.
    ///
    /// # Errors
    /// A file that cannot be read or is no JSON object; a place below something that is no object.
    pub fn body(&self) -> Result<Value, Failure> {
        let mut body = self.file.as_deref().map_or_else(|| Ok(json!({})), read_object)?;
        let given = |place: &str, value: Option<Value>| {
            let place = place.split('.').map(str::to_owned).collect();
            value.map(|value| Setting { place, value })
        };
        let word = |word: &Option<String>| word.as_ref().map(|word| json!(word));
        let flags = [
            given("dataset", word(&self.dataset)),
            given("epsilon", self.epsilon.map(|x| json!(x))),
            given("delta", self.delta.map(|x| json!(x))),
            given("rows", self.rows.map(|x| json!(x))),
            given("priority", self.priority.map(|x| json!(x))),
            given("method.stage1", word(&self.stage1)),
            given("method.public_dataset", word(&self.public_dataset)),
            given("method.stage2", word(&self.stage2)),
            given("method.model", word(&self.model)),
            given("method.generator", word(&self.generator)),
        ];
        for setting in flags.iter().flatten().chain(&self.settings) {
            put(&mut body, setting)?;
        }
        Ok(body)
    }
}

fn put(body: &mut Value, setting: &Setting) -> Result<(), Failure> {
    let mut here = body;
    for name in &setting.place {
        if here.is_null() {
            *here = json!({});
        }
        let Some(members) = here.as_object_mut() else {
            return Err(Failure::Usage(format!("{} is below something that is no object", setting.place.join("."))));
        };
        here = members.entry(name).or_insert(Value::Null);
    }
    *here = setting.value.clone();
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        job: JobArguments,
    }

    fn body(flags: &[&str]) -> Result<Value, Failure> {
        Alone::parse_from(["x"].iter().chain(flags)).job.body()
    }

    #[test]
    fn flags_and_settings_are_members() {
        let flags =
            ["--dataset", "a", "--epsilon", "1", "--stage2", "lora", "--set", "training.steps=20", "--priority"];
        let flags: Vec<&str> = flags.into_iter().chain(["-3", "--set", "method.stage2=full"]).collect();
        let whole = json!({"dataset": "a", "epsilon": 1.0, "priority": -3, "method": {"stage2": "full"},
                           "training": {"steps": 20}});
        assert_eq!(body(&flags).unwrap(), whole);
        let below = body(&["--dataset", "a", "--epsilon", "1", "--set", "dataset.x=1"]);
        assert!(matches!(below, Err(Failure::Usage(_))));
        for wrong in [&["--dataset", "a"][..], &["--dataset", "a", "--epsilon", "nan"], &["--set", "steps"]] {
            assert!(Alone::try_parse_from(["x"].iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }
}
