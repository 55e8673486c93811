//! The ready-made model of a request: its shape and tokenizer, over the dataset's schema.

use axum::http::StatusCode;

use super::desk::Desk;
use super::job_request::JobRequest;
use super::planning::aside;
use super::problem::Problem;
use crate::engine::{Base, Plan, codec};
use crate::store::Dataset;
use crate::store::models::ModelsError;
use crate::tabular::{Codec, Compact, Schema, TextError};

/// What a request writes rows with: the codec, and the ready-made model if it names one.
pub(super) async fn of_request(
    desk: &Desk,
    request: &JobRequest,
    dataset: &Dataset,
) -> Result<(Codec, Option<Base>), Problem> {
    let schema = dataset.declared()?;
    let Some(name) = request.method.model.ready_made().map(str::to_owned) else {
        return Ok((Codec::Compact(Compact::new(&schema)), None));
    };
    let models = desk.models.clone();
    let found = aside(move || {
        let description = models.describe(&name)?;
        let tokenizer = models.tokenizer(&description)?;
        Ok(Base::new(description, &|text| tokenizer.words(text), &schema))
    });
    let (base, codec) = found
        .await?
        .map_err(|error| missing(&error))?
        .map_err(|error| Problem::invalid("method.model", error.to_string()))?;
    Ok((codec, Some(base)))
}

/// The codec of a stored plan. Blocking: it may read a tokenizer.
pub(super) fn of_plan(desk: &Desk, plan: &Plan, schema: &Schema) -> Result<Codec, Problem> {
    let damaged = |error: TextError| {
        tracing::error!(%error, "a stored plan cannot write its schema");
        Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    };
    let Some(base) = &plan.base else { return codec(plan, schema, None).map_err(damaged) };
    let tokenizer = desk.models.tokenizer(&base.model).map_err(|error| missing(&error))?;
    codec(plan, schema, Some(&|text| tokenizer.words(text))).map_err(damaged)
}

/// A model that is not here, or not the declared one. Says what the operator can do; the log has it too.
fn missing(error: &ModelsError) -> Problem {
    tracing::warn!(%error, "a ready-made model cannot be used");
    Problem::invalid("method.model", error.to_string())
}
