//! The whole report of a synthetic table, as its custodian may see it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::evidence::{Evidence, unmeasured};
use super::fidelity::{self, Fidelity, OneWay, TwoWay};
use super::generators::GeneratorReport;
use super::kept_rules::KeptRules;
use super::language::{LanguageView, Perplexity};
use super::section::Section;
use super::stage::StageOneReport;
use super::tables::Tables;
use super::utility::{Efficacy, Prediction, TargetUtility, utility};
use crate::tabular::{Schema, Table};

/// What every custodian report says about itself.
pub const NOTICE: &str = "Exact figures computed from the private rows, for the custodian alone. They are not \
                          differentially private: do not publish them.";

/// Who may see a report. A document of another view does not read as this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ReportView)]
pub enum View {
    /// Those who may see the private table itself.
    Custodian,
}

/// The report in the custodian view: exact, private, not to be published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustodianReport {
    /// Always `custodian`.
    pub view: View,
    /// That these figures are exact and must not be published.
    pub notice: String,
    /// How many rows were compared.
    pub rows: RowCounts,
    /// Histogram intersection column by column, synthetic against real training rows.
    pub one_way: OneWay,
    /// The same over pairs of columns.
    pub two_way: Section<TwoWay>,
    /// How far histograms are apart in ones, twos and threes, associations, ranges, missing cells and repeated rows.
    #[serde(default = "unmeasured")]
    pub fidelity: Section<Fidelity>,
    /// Whether rows keep the rules of the schema.
    #[serde(default = "unmeasured")]
    pub rules: Section<KeptRules>,
    /// Models of the declared target, where it has classes, fitted on synthetic rows and tested on held-out real ones:
    /// the same as in `utility`.
    pub efficacy: Section<Efficacy>,
    /// The same of the declared target, whatever it is, and of the other columns that the job named, in that order.
    /// Empty without a target, and in reports that were made before others could be named.
    #[serde(default)]
    pub utility: Vec<TargetUtility>,
    /// In reports of earlier versions, which have no `language`: how surprised the language model is by held-out rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub perplexity: Option<Perplexity>,
    /// The language model of the job.
    #[serde(default = "unmeasured")]
    pub language: Section<LanguageView>,
    /// What attacks find in the synthetic table.
    #[serde(default = "unmeasured")]
    pub evidence: Section<Evidence>,
    /// What stage 1 alone is worth, where the job asked for it.
    #[serde(default = "unmeasured")]
    pub stage_one: Section<StageOneReport>,
    /// The generators that the job tried, the one that was used first.
    #[serde(default)]
    pub generators: Vec<GeneratorReport>,
}

/// The sizes of the three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowCounts {
    /// Synthetic rows.
    pub synthetic: usize,
    /// Real rows that the generator was trained on.
    pub training: usize,
    /// Real rows that nothing was trained on.
    pub held_out: usize,
}

/// Measures `synthetic` against the real rows it was made from (`train`) and real rows that nothing
/// was trained on (`held_out`), all three of `schema`. Deterministic; every number is finite.
#[must_use]
pub fn custodian(schema: &Schema, train: &Table, held_out: &Table, synthetic: &Table) -> CustodianReport {
    let tables = Tables { schema, train, held_out, synthetic };
    let utility: Vec<TargetUtility> = schema.target().map(|target| utility(target, tables)).into_iter().collect();
    let looks = fidelity::measure(schema, train, synthetic);
    CustodianReport {
        view: View::Custodian,
        notice: NOTICE.into(),
        rows: RowCounts { synthetic: synthetic.rows(), training: train.rows(), held_out: held_out.rows() },
        one_way: looks.one_way,
        two_way: looks.two_way.ok_or_else(|| "The table has only one column, so there are no pairs.".into()).into(),
        fidelity: Section::Measured(looks.fidelity),
        rules: KeptRules::of(tables).into(),
        efficacy: of_classes(utility.first()).into(),
        utility,
        perplexity: None,
        language: unmeasured(),
        evidence: unmeasured(),
        stage_one: Section::Absent { absent: "The job did not ask for it: `report.stages`.".into() },
        generators: Vec::new(),
    }
}

/// The classification of the declared target.
fn of_classes(declared: Option<&TargetUtility>) -> Result<Efficacy, String> {
    let declared = declared.ok_or("The schema declares no target column for models to predict.")?;
    match &declared.prediction {
        Section::Measured(Prediction::Classification(efficacy)) => Ok((**efficacy).clone()),
        Section::Measured(Prediction::Regression(_)) => {
            Err(format!("The target {} is a number: it is predicted by regression, see `utility`.", declared.column))
        }
        Section::Absent { absent } => Err(absent.clone()),
    }
}
