//! The codec and the model of a plan: what rows look like, and which tokens each place may write.

use std::borrow::Cow;

use crate::model::{ConfigError, Gpt2, Heads, Trained};
use crate::tabular::{Codec, Compact, Schema, Text, TextError, Words};

use super::binned::binned_schema;
use super::plan::Plan;

/// A ready-made model, as whoever runs a plan has it.
#[derive(Clone, Copy)]
pub struct Ready<'a> {
    /// Its parameters, as many as [`Layout::plain_len`](crate::model::Layout::plain_len).
    pub weights: &'a [f32],
    /// Its tokenizer.
    pub words: Words<'a>,
}

/// The schema that a plan's model reads and writes: of bins where a small model learns from a distribution, else the
/// table's own.
#[must_use]
pub fn written<'a>(plan: &Plan, schema: &'a Schema) -> Cow<'a, Schema> {
    match &plan.measure {
        Some(measure) if plan.base.is_none() => Cow::Owned(binned_schema(schema, &measure.recipe)),
        _ => Cow::Borrowed(schema),
    }
}

/// The codec of a plan over a schema: sentences for a ready-made model, else one token a column.
///
/// # Errors
/// [`TextError`] when the tokenizer does not fit the schema.
pub fn codec(plan: &Plan, schema: &Schema, words: Option<Words<'_>>) -> Result<Codec, TextError> {
    Ok(match words {
        Some(words) => Codec::Text(Text::new(schema, words, plan.model.opening, plan.model.vocabulary)?),
        None => Codec::Compact(Compact::new(&written(plan, schema))),
    })
}

/// The model of a plan over its codec, all of it trained.
///
/// # Errors
/// [`ConfigError`] when the plan was made for another schema.
pub fn shape(plan: &Plan, codec: &Codec) -> Result<Gpt2, ConfigError> {
    let heads = match codec {
        Codec::Compact(compact) => {
            let mut loss = vec![1.0; compact.width()];
            if let Some(target) = loss.last_mut() {
                *target = plan.target_weight;
            }
            Heads::weighted_places(compact.spans(), &loss)
        }
        // Every row has as many columns: the losses of rows are means over those.
        Codec::Text(text) => Heads::Sets { sets: text.sets().to_vec(), share: 1.0 / text.width() as f32 },
    };
    Gpt2::new(plan.model, heads, codec.longest())
}

/// The model that a plan releases: as trained, with low-rank updates merged.
///
/// # Errors
/// As [`shape`].
pub fn released_shape(plan: &Plan, codec: &Codec) -> Result<Gpt2, ConfigError> {
    let trained = match plan.trained {
        Trained::Lora { .. } => Trained::Full,
        other => other,
    };
    shape(plan, codec)?.training(trained)
}
