//! Figures about budgets that take a moment to compute, remembered as long as the ledger is the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::planning::aside;
use super::problem::Problem;
use crate::privacy::Digest;

/// Figures that are remembered at most; then all are forgotten, which only costs time.
const MOST: usize = 4096;

/// The last digest of the ledger that a figure was computed from, and the figure.
type Known = (Digest, Option<f64>);

/// A shared memory of figures; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Figures(Arc<Mutex<HashMap<String, Known>>>);

impl Figures {
    /// The figure of this name for a ledger with this last digest; computed aside when it is not known.
    pub(super) async fn get(
        &self,
        name: String,
        head: Digest,
        compute: impl FnOnce() -> Option<f64> + Send + 'static,
    ) -> Result<Option<f64>, Problem> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, figure)) = lock().get(&name).filter(|(then, _)| *then == head) {
            return Ok(*figure);
        }
        let figure = aside(compute).await?;
        let mut known = lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(name, (head, figure));
        Ok(figure)
    }
}
