//! Whether the parts of a method make sense together, before anything is planned.

use super::job_request::{JobRequest, MeasuringRequest, Method, Stage1, Stage2, Training};
use super::problem::Problem;
use crate::engine::Generator;
use crate::store::Dataset;

/// Refuses a method whose parts do not go together, or do not go with the dataset, with the reason.
pub(super) fn check(request: &JobRequest, dataset: &Dataset) -> Result<(), Problem> {
    let JobRequest { method, training, .. } = request;
    check_stages(method, dataset)?;
    check_training(method, training)?;
    check_canaries(request, dataset)?;
    check_measuring(request)
}

/// Canaries of a job at most.
const MOST_CANARIES: u32 = 1000;

fn refuse<T>(at: &str, detail: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::invalid(at, detail))
}

/// Canaries are single rows of even values.
fn check_canaries(request: &JobRequest, dataset: &Dataset) -> Result<(), Problem> {
    match request.report.canaries {
        0 => Ok(()),
        _ if dataset.persons().is_some() => {
            let detail = "canaries are single rows, and persons are this dataset's unit of privacy: say 0";
            refuse("report.canaries", detail)
        }
        1..=MOST_CANARIES => Ok(()),
        _ => refuse("report.canaries", format!("canaries is a number from 0 to {MOST_CANARIES}")),
    }
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
    match (method.stage1, method.stage2.unwrap_or(Stage2::Full)) {
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
        (Stage1::Marginal, stage2) if method.generator == Generator::Distribution && stage2 != Stage2::None => {
            let detail = "the distribution draws without a language model: stage 2 would spend privacy on nothing, say \
                          `stage2: none`";
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
    match (training.public_steps, method.generator) {
        (Some(_), _) if method.stage1 == Stage1::None => {
            let detail = "these are steps of stage 1, which is left out: leave them out, too";
            return refuse("training.public_steps", detail);
        }
        (Some(_), Generator::Distribution) => {
            let detail = "the distribution draws without a language model, which these are steps of: leave them out";
            return refuse("training.public_steps", detail);
        }
        (Some(0), generator)
            if method.stage2 == Some(Stage2::None)
                && (generator == Generator::Lm || method.stage1 != Stage1::Marginal) =>
        {
            return refuse("training.public_steps", "with no steps of either stage nothing is trained: say at least 1");
        }
        _ => {}
    }
    match training.of_stage2() {
        Some(name) if method.stage2 == Some(Stage2::None) => {
            let detail = format!("{name} is a setting of stage 2, which is left out: leave it out, too");
            refuse(&format!("training.{name}"), detail)
        }
        _ => Ok(()),
    }
}

/// Settings of a measurement that there is not, or that has all of the privacy anyway.
fn check_measuring(request: &JobRequest) -> Result<(), Problem> {
    let (method, measuring) = (&request.method, request.measuring);
    if method.stage1 != Stage1::Marginal && measuring != MeasuringRequest::default() {
        return refuse("measuring", "there is a measurement with `stage1: marginal` alone: leave it out, or say so");
    }
    if method.stage2 == Some(Stage2::None) && measuring.share.is_some() {
        return refuse("measuring.share", "without stage 2 the measurement has all of the privacy: leave it out");
    }
    Ok(())
}
