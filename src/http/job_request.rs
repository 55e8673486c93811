//! What a client asks for: a job as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{given_word, object, unsaid, unset, word};
use super::webhooks::{BadReceiver, Webhooks};
use crate::engine::Generator;

/// What to make from which dataset at what price. Everything but `dataset` and `epsilon` has a
/// default.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobRequest {
    /// Id or name of the dataset.
    #[schema(example = "adult")]
    pub dataset: String,
    /// The epsilon of the job by itself. What it costs the budget is less than in proportion. A job with
    /// `stage1: non_private` spends nothing, whatever is said here.
    #[schema(example = 1.0)]
    pub epsilon: f64,
    /// The delta that the job is planned for; unless given, the grant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<f64>,
    /// How.
    #[serde(default, deserialize_with = "object")]
    pub method: Method,
    /// How many synthetic rows; the declared number of rows unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub rows: Option<u64>,
    /// Among the jobs of your tenant that wait, the higher goes first. Tenants take turns whatever they say here.
    #[serde(default, skip_serializing_if = "is_usual")]
    #[schema(minimum = -100, maximum = 100)]
    pub priority: i16,
    /// Expert settings; the plan has good ones.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Training::is_default")]
    pub training: Training,
    /// Expert settings of the measurement, with `stage1: marginal`.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "MeasuringRequest::is_default")]
    pub measuring: MeasuringRequest,
    /// What the report measures besides the usual, and what it may release.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "ReportRequest::is_default")]
    pub report: ReportRequest,
    /// Null: not in this version.
    #[serde(default, rename = "seed_rows", deserialize_with = "unset", skip_serializing_if = "unsaid")]
    #[schema(value_type = Option<Object>)]
    _seed_rows: (),
    /// Where a message is posted to when the job has ended, where the server's settings allow it: an https URL with a
    /// public address. Signed as Standard Webhooks are, and repeated until it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "https://example.org/hooks/jobs")]
    pub webhook: Option<String>,
}

impl JobRequest {
    /// The request with the stage 2 that it stands for, and a receiver that may be named.
    pub fn settled(mut self, webhooks: &Webhooks) -> Result<Self, BadReceiver> {
        if let Some(webhook) = &mut self.webhook {
            *webhook = webhooks.receiver(webhook)?.to_string();
        }
        let learnt = matches!(self.method.stage1, Stage1::Marginal | Stage1::NonPrivate);
        let unsaid = self.training.of_stage2().is_none();
        let usual = if learnt && unsaid { Stage2::None } else { Stage2::Full };
        self.method.stage2.get_or_insert(usual);
        Ok(self)
    }
}

/// Whether a priority need not be said.
fn is_usual(priority: &i16) -> bool {
    *priority == 0
}

/// Whether it is not wished for.
fn is_unset(wish: &bool) -> bool {
    !wish
}

/// Whether nothing is made up.
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What the report measures besides the usual, and what it may release.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReportRequest {
    /// The epsilon of figures for everybody about how close the synthetic table comes to the real one, 0 for none: how many
    /// columns and pairs have in common with it, and what a model of the declared target is worth on held-out rows, each
    /// with noise and an interval. A part of the job's epsilon, and below it: privacy adds up in squares, so that a tenth of
    /// the epsilon takes one or two hundredths of the job's privacy. The job is charged as a whole then, not block by block.
    #[schema(minimum = 0, example = 0.1)]
    #[serde(skip_serializing_if = "unsaid")]
    pub released_epsilon: f64,
    /// Rows to make up for an audit, 0 for none: even values inside the schema, of which a fair coin each decides whether it
    /// is trained on besides the dataset's rows. The custodian's report then says how well they can be told apart, and which
    /// epsilon that refutes. They cost no privacy and change the synthetic table a little, the more the fewer rows the
    /// dataset has. Not where persons are the unit of privacy.
    #[schema(minimum = 0, maximum = 1000)]
    #[serde(skip_serializing_if = "is_zero")]
    pub canaries: u32,
    /// Names of columns that models in the custodian's report predict, besides the declared target: categories by
    /// classification, numbers by regression. Each takes as long as the declared one. They cost no privacy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8, example = json!(["hours-per-week"]))]
    pub targets: Vec<String>,
    /// Whether rows of the language model as it was after stage 1 are drawn and measured too, to see what stage 2 adds. For
    /// jobs with both stages; takes the time of another table and report, and no privacy.
    #[serde(skip_serializing_if = "is_unset")]
    pub stages: bool,
}

impl ReportRequest {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The parts of the method.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Method {
    /// What stage 1 trains on.
    #[serde(deserialize_with = "word")]
    pub stage1: Stage1,
    /// With `stage1: public`: id or name of the dataset that stage 1 trains on, declared with `access: public`.
    /// Its newest upload is taken. Its columns need not be the same: rows are said in the values of this
    /// dataset, columns of the same name first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_dataset: Option<String>,
    /// What stage 2 trains. Unless given: `none` after a stage 1 that has learnt of the dataset (`marginal`,
    /// `non_private`) when nothing is said in `training` about stage 2, else `full`.
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Stage2>)]
    pub stage2: Option<Stage2>,
    /// The language model: `small`, a GPT trained from scratch, or a ready-made one that the server's
    /// settings name (`gpt2`, `distilgpt2`, ...), which writes rows as sentences.
    pub model: ModelName,
    /// What draws the synthetic rows.
    #[serde(deserialize_with = "word")]
    pub generator: Generator,
}

/// What stage 1 trains on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage1 {
    /// Uniform rows of the public schema (DP-2Stage-U).
    Uniform,
    /// Rows of a public table (DP-2Stage-O): `public_dataset`.
    Public,
    /// Rows of a distribution that is fitted to noisy marginals of the private table.
    #[default]
    Marginal,
    /// Nothing: stage 2 alone (DP-Standard).
    None,
    /// The rows of the dataset itself without any privacy, where it is declared public. With `stage2: none`.
    NonPrivate,
}

/// What stage 2 trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage2 {
    /// All parameters.
    Full,
    /// Low-rank updates beside every matrix, which stay frozen (`LoRA`).
    Lora,
    /// The output matrix alone.
    Heads,
    /// A bottleneck at the end of every block.
    Adapter,
    /// Nothing: the model is what stage 1 left.
    None,
}

/// The name of a language model.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(example = "small")]
pub(super) struct ModelName(String);

/// The model that is trained from scratch.
const SMALL: &str = "small";

impl Default for ModelName {
    fn default() -> Self {
        Self(SMALL.into())
    }
}

impl ModelName {
    /// The ready-made model of this name; none for the one that is trained from scratch.
    pub fn ready_made(&self) -> Option<&str> {
        (self.0 != SMALL).then_some(self.0.as_str())
    }
}

/// Expert settings of the measurement that a job with `stage1: marginal` opens with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MeasuringRequest {
    /// The measurement's share of the job's privacy (of the squared mean of its Gaussian), where there is a stage 2
    /// besides; all of it without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.01, maximum = 0.98)]
    pub share: Option<f64>,
    /// The part of it for histograms of all columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.01, maximum = 0.98)]
    pub histograms: Option<f64>,
    /// The part of it for the labels, where the target has classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.01, maximum = 0.98)]
    pub labels: Option<f64>,
    /// Bins of a column at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2, maximum = 100)]
    pub bins: Option<u32>,
}

impl MeasuringRequest {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Expert settings of the training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Training {
    /// Steps of stage 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100_000)]
    pub public_steps: Option<u32>,
    /// Private steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Expected rows in a private step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<f64>,
    /// The peak learning rate of stage 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f32>,
    /// The norm to which the gradient of each row is clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clipping_norm: Option<f64>,
    /// The optimiser of stage 2; `adam` unless given.
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    pub optimiser: Option<Optimiser>,
    /// With `sgd`: what is left of the velocity after each step, 0.9 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, exclusive_maximum = 1)]
    pub momentum: Option<f32>,
    /// An average of the weights of many steps in the place of the last ones. It costs no privacy.
    #[serde(deserialize_with = "given_word", skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageKind>,
}

/// The optimiser of stage 2.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Optimiser {
    /// DP-Adam.
    Adam,
    /// DP-SGD with momentum.
    Sgd,
}

/// Which weights are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AverageKind {
    /// All, the latest ones most.
    Exponential,
    /// Those of the last quarter of the steps, evenly.
    Tail,
}

impl Training {
    /// The first setting of stage 2 that was said.
    pub fn of_stage2(&self) -> Option<&'static str> {
        let Self { public_steps: _, steps, batch, learning_rate, clipping_norm, optimiser, momentum, average } = *self;
        let said = [
            ("steps", steps.is_some()),
            ("batch", batch.is_some()),
            ("learning_rate", learning_rate.is_some()),
            ("clipping_norm", clipping_norm.is_some()),
            ("optimiser", optimiser.is_some()),
            ("momentum", momentum.is_some()),
            ("average", average.is_some()),
        ];
        said.into_iter().find(|(_, said)| *said).map(|(name, _)| name)
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
