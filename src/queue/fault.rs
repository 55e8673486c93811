//! Why an attempt did not produce results, and whether another one might.

use std::io;

use crate::engine::{EngineError, Halt, MemoryError};
use crate::store::models::ModelsError;
use crate::tabular::RowsError;

/// Why an attempt did not produce results.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Models(Box<ModelsError>),
    #[error(transparent)]
    Storage(#[from] io::Error),
    #[error(transparent)]
    Rows(#[from] RowsError),
    #[error("no generator drew rows")]
    Empty,
    #[error("a thread of the worker panicked")]
    Panicked,
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The worker's, or its surroundings': another attempt may go well.
    Worker(&'static str),
    /// The job's own: every attempt would end like this one.
    Job(&'static str),
}

impl Fault {
    /// What follows from it, with the failure code.
    pub fn class(&self) -> Class {
        match self {
            Self::Storage(_) | Self::Rows(RowsError::Input(_)) => Class::Worker("storage_error"),
            Self::Models(_) => Class::Worker("model_unavailable"),
            // A larger worker may have the room.
            Self::Memory(MemoryError::TooLarge { .. }) => Class::Worker("job_too_large"),
            Self::Engine(EngineError::Halt(Halt::ReservationExhausted)) => Class::Job("reservation_exhausted"),
            Self::Engine(EngineError::Halt(_)) | Self::Panicked => Class::Worker("worker_error"),
            Self::Engine(EngineError::Rules) => Class::Job("rules_not_met"),
            Self::Rows(_) => Class::Job("rows_unfit"),
            Self::Engine(_) | Self::Memory(MemoryError::Plan(_)) | Self::Empty => Class::Job("plan_unfit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_jobs_own_is_not_tried_again() {
        let of_job = [
            Fault::Rows(RowsError::Format),
            Fault::Engine(EngineError::Unit),
            Fault::Empty,
            Fault::Engine(EngineError::Rules),
            Fault::Engine(EngineError::Halt(Halt::ReservationExhausted)),
        ];
        assert!(of_job.iter().all(|fault| matches!(fault.class(), Class::Job(_))));
        let of_worker = [
            Fault::Rows(RowsError::Input(io::ErrorKind::TimedOut)),
            Fault::Storage(io::ErrorKind::StorageFull.into()),
            Fault::Engine(EngineError::Halt(Halt::Host("a device".into()))),
            Fault::Panicked,
        ];
        assert!(of_worker.iter().all(|fault| matches!(fault.class(), Class::Worker(_))));
    }
}
