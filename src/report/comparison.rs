//! Several jobs of one dataset side by side.

use serde::Serialize;
use utoipa::ToSchema;

use super::released::ReleasedFigures;
use super::section::Section;
use super::summary::{CustodianReport, NOTICE, View};
use super::utility::Models;

/// What everybody may know of a job that is compared.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct JobLine {
    /// Its id.
    pub job: String,
    /// When it ended, RFC 3339.
    pub finished_at: String,
    /// The epsilon of the job by itself; 0 on a public table.
    pub epsilon: f64,
    /// Its delta.
    pub delta: f64,
    /// Stage 1, stage 2, model and generator as asked for, with a slash between them.
    pub variant: String,
}

/// Jobs side by side as everybody may see them.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReleasedComparison {
    /// Always `released`.
    pub view: &'static str,
    /// The name of the dataset.
    pub dataset: String,
    /// Succeeded jobs, from the newest to the oldest.
    pub jobs: Vec<ReleasedJob>,
}

/// A job with the figures that it bought for everybody.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReleasedJob {
    /// The job.
    #[serde(flatten)]
    pub line: JobLine,
    /// Its figures, with noise, or why there are none.
    pub figures: Section<ReleasedFigures>,
}

/// Jobs side by side in the custodian view: exact, private, not to be published.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// Always `custodian`.
    pub view: View,
    /// That these figures are exact and must not be published.
    pub notice: &'static str,
    /// The name of the dataset.
    pub dataset: String,
    /// Succeeded jobs, from the newest to the oldest.
    pub jobs: Vec<ComparedJob>,
}

/// A job with the figures that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ComparedJob {
    /// The job.
    #[serde(flatten)]
    pub line: JobLine,
    /// Its figures, or why there are none.
    pub figures: Section<JobFigures>,
}

/// The figures of a report that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct JobFigures {
    /// What drew the rows: `lm`, or `distribution`: marginals alone, as AIM and MST do, the baseline.
    pub generator: Option<String>,
    /// The mean histogram intersection of columns, 0 to 1.
    pub one_way: f64,
    /// The same of pairs.
    pub two_way: Option<f64>,
    /// How well models of the declared target do, where it has classes.
    pub target: Option<TargetFigures>,
    /// The highest area under the ROC curve of the attacks on membership; 0.5 is ideal.
    pub membership: Option<f64>,
    /// What marginals alone would have given in the same job, where both were tried.
    pub baseline: Option<Baseline>,
}

/// How well models do that are fitted on synthetic rows, on held-out real ones.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TargetFigures {
    /// The target.
    pub column: String,
    /// Logistic regression.
    pub logistic: Pair,
    /// Gradient boosting.
    pub boosting: Pair,
}

/// One kind of model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Pair {
    /// ROC-AUC, fitted on synthetic rows.
    pub roc_auc: f64,
    /// F1 of the positive class, or the mean of classes where none is; fitted on synthetic rows.
    pub f1: f64,
    /// ROC-AUC, fitted on real training rows.
    pub real_roc_auc: f64,
    /// F1, fitted on real training rows.
    pub real_f1: f64,
}

/// Rows of the fitted distribution itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Baseline {
    /// The mean histogram intersection of columns.
    pub one_way: f64,
    /// The same of pairs.
    pub two_way: Option<f64>,
}

impl Comparison {
    /// Jobs with their reports; none where a report is not there.
    #[must_use]
    pub fn of(dataset: String, jobs: Vec<(JobLine, Option<CustodianReport>)>) -> Self {
        let compared = |(line, report): (JobLine, Option<CustodianReport>)| {
            let figures = report.as_ref().map(JobFigures::of).ok_or_else(|| "The job has no report.".to_owned());
            ComparedJob { line, figures: figures.into() }
        };
        Self { view: View::Custodian, notice: NOTICE, dataset, jobs: jobs.into_iter().map(compared).collect() }
    }
}

impl JobFigures {
    fn of(report: &CustodianReport) -> Self {
        let of = |models: &Models| Pair {
            roc_auc: models.synthetic.roc_auc,
            f1: models.synthetic.f1.unwrap_or(models.synthetic.macro_f1),
            real_roc_auc: models.real.roc_auc,
            real_f1: models.real.f1.unwrap_or(models.real.macro_f1),
        };
        let target = report.efficacy.measured().map(|efficacy| TargetFigures {
            column: efficacy.target.clone(),
            logistic: of(&efficacy.logistic),
            boosting: of(&efficacy.boosting),
        });
        let attacks = report.evidence.measured().and_then(|evidence| evidence.membership.measured());
        let areas = attacks.map(|found| found.attacks.iter().map(|attack| attack.area.share).fold(0.0, f64::max));
        let tried = |name: &str| report.generators.iter().find(|one| one.generator == name);
        Self {
            generator: report.generators.iter().find(|one| one.used).map(|one| one.generator.clone()),
            one_way: report.one_way.mean,
            two_way: report.two_way.measured().map(|pairs| pairs.mean),
            target,
            membership: areas,
            baseline: tried("distribution").map(|one| Baseline { one_way: one.one_way, two_way: one.two_way }),
        }
    }
}
