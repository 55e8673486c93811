//! What a finished job left that rows can be drawn from: a language model, a distribution, or both.

use axum::http::StatusCode;
use uuid::Uuid;

use super::desk::Desk;
use super::problem::{Problem, storage};
use super::ready_made;
use super::wishes::Wishes;
use crate::engine::{
    Given, LIMIT, Order, Plan, Stop, Style, Writer, bin, generate, impose, redrawn, released_shape, rows_of,
    system_key, valued, written,
};
use crate::marginals::Distribution;
use crate::model::read_weights;
use crate::privacy::Purpose;
use crate::store::{self, ArtifactKind, Blob};
use crate::tabular::{Code, MISSING, Schema, Table};

/// Blobs that a job left of what can write rows.
pub(super) struct Left {
    model: Option<Blob>,
    distribution: Option<Blob>,
}

impl Left {
    /// Looks up what a job's plan says that it left.
    pub async fn find(desk: &Desk, job: Uuid, plan: &Plan, wishes: &Wishes) -> Result<Self, Problem> {
        let plain = wishes.are_free() && wishes.style == Style::default();
        if !plan.trains() && !plain {
            let detail = "the job trained no language model, which rows on conditions take: ask for rows alone, or submit \
                          a job with `generator: auto` or `lm`";
            return Err(Problem::invalid("conditions", detail));
        }
        let blob = async |wanted: bool, kind| match wanted {
            true => Ok::<_, Problem>(Some(store::artifact(&desk.tenant, job, kind).await?.blob)),
            false => Ok(None),
        };
        let model = blob(plan.trains(), ArtifactKind::Model).await?;
        Ok(Self { model, distribution: blob(plan.measure.is_some(), ArtifactKind::Distribution).await? })
    }

    /// Writes the rows that are wished for. Blocking.
    pub fn write(
        &self,
        desk: &Desk,
        (plan, schema): (&Plan, &Schema),
        wishes: &Wishes,
        stop: &dyn Stop,
    ) -> Result<Table, Problem> {
        let damaged = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "what a job left cannot be used");
            Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
        };
        let read = |blob: &Blob| desk.blobs.read(blob).map_err(|error| storage(&error));
        let distribution = match &self.distribution {
            Some(blob) => Some(Distribution::from_bytes(&read(blob)?).map_err(|error| damaged(&error))?),
            None => None,
        };
        let mut rng = system_key().stream(Purpose::Pseudo, 1);
        let weights = match (&self.model, &distribution) {
            (Some(blob), _) => read(blob)?,
            (None, Some(distribution)) => {
                return by_rules(schema, wishes, |rows| {
                    let rows = distribution.draw(rows.len(), &mut rng);
                    Ok(valued(distribution, &rows, schema, &mut rng))
                });
            }
            (None, None) => return Err(damaged(&"there is neither a model nor a distribution")),
        };
        let codec = ready_made::of_plan(desk, plan, schema)?;
        let model = released_shape(plan, &codec).map_err(|error| damaged(&error))?;
        let weights = read_weights(model.layout(), &weights).map_err(|error| damaged(&error))?;
        // A small model that learnt from a distribution writes bins.
        let binned = distribution.as_ref().filter(|_| plan.base.is_none());
        let asked = binned.map(|distribution| wishes.mapped(|column, code| bin(distribution, column, code)));
        let asked = asked.as_ref().unwrap_or(wishes);
        let (candidates, style) = (wishes.candidates, wishes.style);
        let writer = Writer { model: &model, codec: &codec, weights: &weights };
        let stopped = |_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment", "the server stops")
        };
        let schema_written = written(plan, schema);
        by_rules(schema, wishes, |rows| {
            let order = Order { rows: rows.len(), given: &|i| asked.of(rows[i]), candidates, style, round: 0 };
            let table = generate(writer, &schema_written, &order, (system_key().as_ref(), stop)).map_err(stopped)?;
            Ok(match binned {
                None => table,
                Some(distribution) => {
                    let values = valued(distribution, &rows_of(distribution, &table), schema, &mut rng);
                    imposed(&values, |i| wishes.of(rows[i]))
                }
            })
        })
    }
}

/// All rows that are wished for, those that break a rule of the schema written again, up to [`LIMIT`] times. `write` is given
/// their numbers.
fn by_rules(
    schema: &Schema,
    wishes: &Wishes,
    mut write: impl FnMut(&[usize]) -> Result<Table, Problem>,
) -> Result<Table, Problem> {
    let all: Vec<usize> = (0..wishes.rows()).collect();
    let first = write(&all)?;
    if schema.rules().is_empty() {
        return Ok(first);
    }
    let (table, left) = redrawn(first, LIMIT, |i, row| keeps(schema, wishes.of(i), row), write)?;
    if left == 0 {
        return Ok(table);
    }
    let detail = format!(
        "{} of {} rows broke a rule of the schema {LIMIT} times in a row: what is given may contradict the rules, or the \
         model hardly ever keeps them",
        left,
        wishes.rows(),
    );
    Err(Problem::invalid("given", detail))
}

/// Whether a row keeps the rules once what they determine is set, and has all that was given then.
fn keeps(schema: &Schema, given: &[Given], row: &mut [Code]) -> bool {
    schema.settle(row)
        && given.iter().zip(row.iter()).all(|(given, &code)| match given {
            Given::Free => true,
            Given::Present => code != MISSING,
            Given::Value(value) => code == *value,
        })
}

/// Rows with the very cells that were given, of which a model of bins knows the bins alone.
fn imposed<'a>(table: &Table, given: impl Fn(usize) -> &'a [Given]) -> Table {
    let mut rows = Table::new(table.width(), Vec::with_capacity(table.rows() * table.width()));
    let mut codes = vec![0; table.width()];
    for (i, row) in table.iter().enumerate() {
        codes.copy_from_slice(row);
        impose(given(i), &mut codes);
        rows.push(&codes);
    }
    rows
}
