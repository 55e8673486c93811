//! Whether the parts of a method make sense together, before anything is planned.

use super::job_request::{Generator, JobRequest, Method, Stage1, Stage2, Training};
use super::problem::Problem;
use crate::store::Dataset;

/// Refuses a method whose parts do not go together, or do not go with the dataset, with the reason.
pub(super) fn check(request: &JobRequest, dataset: &Dataset) -> Result<(), Problem> {
    let JobRequest { method, training, .. } = request;
    check_stages(method, dataset)?;
    check_training(method, training)?;
    check_available(method)
}

fn refuse<T>(at: &str, detail: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::invalid(at, detail))
}

/// The two stages, the public table and the generator.
fn check_stages(method: &Method, dataset: &Dataset) -> Result<(), Problem> {
    if method.public_dataset.is_some() != (method.stage1 == Stage1::Public) {
        return match method.stage1 {
            Stage1::Public => {
                let detail = "name the dataset that stage 1 shall train on, one that is declared with `access: public`";
                refuse("method.public_dataset", detail)
            }
            _ => {
                refuse("method.public_dataset", "a public dataset goes with `stage1: public`: leave it out, or say so")
            }
        };
    }
    match (method.stage1, method.stage2) {
        (Stage1::NonPrivate, _) if !dataset.public => {
            let detail = "the dataset is private: training on it without privacy takes one that is declared with \
                          `access: public`";
            refuse("method.stage1", detail)
        }
        (Stage1::NonPrivate, stage2) if stage2 != Stage2::None => {
            let detail = "`stage1: non_private` learns all there is without privacy: say `stage2: none`";
            refuse("method.stage2", detail)
        }
        (Stage1::None, Stage2::None) => refuse("method.stage2", "with neither stage nothing is trained"),
        (Stage1::Uniform | Stage1::Public, Stage2::None) => {
            let detail = "without stage 2 such a job learns nothing of the dataset: its stage 1 does not look at it";
            refuse("method.stage2", detail)
        }
        _ if method.generator == Generator::Distribution && method.stage1 != Stage1::Marginal => {
            let detail = "there is a distribution to draw from with `stage1: marginal` alone";
            refuse("method.generator", detail)
        }
        _ => Ok(()),
    }
}

/// Settings of stages that are left out.
fn check_training(method: &Method, training: &Training) -> Result<(), Problem> {
    if method.stage1 == Stage1::None && training.public_steps.is_some() {
        return refuse("training.public_steps", "these are steps of stage 1, which is left out: leave them out, too");
    }
    let Training { public_steps: _, steps, batch, learning_rate, clipping_norm, optimiser, momentum, average } =
        *training;
    let of_stage2 = [
        ("steps", steps.is_some()),
        ("batch", batch.is_some()),
        ("learning_rate", learning_rate.is_some()),
        ("clipping_norm", clipping_norm.is_some()),
        ("optimiser", optimiser.is_some()),
        ("momentum", momentum.is_some()),
        ("average", average.is_some()),
    ];
    match of_stage2.into_iter().find(|(_, said)| *said) {
        Some((name, _)) if method.stage2 == Stage2::None => {
            let detail = format!("{name} is a setting of stage 2, which is left out: leave it out, too");
            refuse(&format!("training.{name}"), detail)
        }
        _ => Ok(()),
    }
}

/// What makes sense and is not here yet.
fn check_available(method: &Method) -> Result<(), Problem> {
    if method.stage1 == Stage1::Marginal {
        return refuse("method.stage1", "`marginal` is not available in this version");
    }
    Ok(())
}
