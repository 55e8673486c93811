//! What a plan will cost in time and energy: from public facts alone, before it runs. What it takes of
//! memory is counted in `memory`.
//!
//! Operations are counted as for any GPT-2: a row of P positions through L layers of width w costs
//! about `2 (12 L w^2 P + 2 L w P^2 + w V)` in the forward pass, V being all tokens together, since
//! each position has a head of its own. A training step costs four times that: forward, backward
//! twice, and the norms of single rows. The constants were measured (`benches/RESULTS.md`).

use super::plan::Plan;
use super::unit::rows_each;

/// Operations a second of one core at narrow widths.
const SPEED: f64 = 8.0e10;
/// Seconds of a core for a cell of the tree in all fits, and for a row's place in a table in one fit of weights.
const CELL_SECONDS: f64 = 7e-6;
const WEIGHED_SECONDS: f64 = 1.2e-7;
/// Seconds of every job that do not depend on its size: claims, checkpoints, publication.
const FIXED: f64 = 0.5;
/// Watts of a core at work with its share of the machine: an assumption, not a measurement.
const WATTS: f64 = 10.0;

/// Guesses, good to about a factor of two on an idle machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// From the claim to the results.
    pub seconds: f64,
    /// At 10 watts a busy core.
    pub energy_wh: f64,
}

/// Seconds of a core for writing one row.
#[must_use]
pub fn row_seconds(plan: &Plan) -> f64 {
    row_operations(plan) / SPEED
}

/// Operations of one row on its way up through the model.
fn row_operations(plan: &Plan) -> f64 {
    let model = &plan.model;
    let (p, w, l) = (plan.places() as f64, model.width as f64, model.layers as f64);
    // Sentences choose from a few tokens at a time: their heads are next to nothing.
    let heads = if plan.base.is_some() { 0.0 } else { model.vocabulary as f64 };
    2.0 * (12.0 * l * w * w * p + 2.0 * l * w * p * p + w * heads)
}

/// Seconds of a core for measuring and for the rows that are drawn from what was measured: fits over all cells of the
/// tree, and weights of drawn rows, up to three times (for stage 1, and for each generator).
fn measuring_seconds(plan: &Plan) -> f64 {
    let Some(measuring) = &plan.measure else { return 0.0 };
    let columns = plan.model.positions as u64;
    let weighed = (measuring.copies(plan.rows_public) * measuring.tables(columns)) as f64;
    let draws = if plan.trains() { 3.0 } else { 1.0 };
    CELL_SECONDS * measuring.recipe.cells + draws * WEIGHED_SECONDS * weighed
}

/// What `plan` will cost on a worker with this many cores.
#[must_use]
pub fn estimate(plan: &Plan, cores: usize) -> Estimate {
    let cores = cores.max(1) as f64;
    let row = row_operations(plan);
    let public = f64::from(plan.public.steps) * f64::from(plan.public.batch);
    let private = plan.private.map_or(0.0, |private| {
        let batch = private.mechanism(plan.units_public()).expected_batch();
        f64::from(private.steps()) * batch * rows_each(plan.rows_public, plan.persons)
    });
    let operations = row * (4.0 * (public + private) + plan.rows as f64);
    let core_seconds = operations / SPEED + measuring_seconds(plan);
    let seconds = FIXED + core_seconds / cores;
    Estimate { seconds, energy_wh: core_seconds * WATTS / 3600.0 }
}
