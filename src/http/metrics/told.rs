//! How an installation stands, as families of metrics. All values of all labels are told at any time, zeros too: a series
//! that comes and goes looks like a fault.

use prometheus_client::registry::Registry;

use super::attempts::{Attempts, KINDS};
use super::families::{counters, gauge, gauges};
use crate::store::{Observed, WorkDone};

const STAGES: [&str; 6] = ["none", "measure", "stage1", "stage2", "generate", "report"];
const STATES: [&str; 4] = ["idle", "working", "draining", "silent"];
const DEVICES: [&str; 2] = ["cpu", "cuda"];
const SOURCES: [&str; 3] = ["rapl", "nvidia-smi", "estimate"];

/// The families that are read from the database.
pub(super) fn of_database(registry: &mut Registry, seen: &Observed, attempts: &Attempts) {
    queue(registry, seen);
    tries(registry, attempts);
    workers(registry, seen);
    budgets(registry, seen);
    work(registry, seen);
    let about = ("webhook_deliveries_pending", "Messages about ends of jobs that wait to be sent, at first or again");
    gauge(registry, about, seen.undelivered.messages as f64);
    let about = ("webhook_oldest_pending_age_seconds", "Seconds since the job ended whose message waits longest");
    gauge(registry, about, seen.undelivered.oldest_seconds);
}

fn queue(registry: &mut Registry, seen: &Observed) {
    let running: i64 = seen.running.iter().map(|at| at.jobs).sum();
    let jobs = [("queued", seen.waiting.jobs), ("running", running)];
    let about = ("jobs", "Jobs that have not ended, by status");
    gauges(registry, about, jobs.map(|(status, jobs)| (vec![("status", status)], jobs as f64)));
    let about = ("jobs_waiting_to_be_tried_again", "Queued jobs whose last attempt failed, before their wait is over");
    gauge(registry, about, seen.waiting.again as f64);
    let about = ("oldest_queued_job_age_seconds", "Seconds since the oldest queued job was accepted; 0 without any");
    gauge(registry, about, seen.waiting.oldest_seconds);
    let at = |stage: &str| seen.running.iter().find(move |at| at.stage == stage);
    let about = ("running_jobs", "Running jobs by the stage they are at; none before the first");
    let jobs = |stage| at(stage).map_or(0, |at| at.jobs) as f64;
    gauges(registry, about, STAGES.map(|stage| (vec![("stage", stage)], jobs(stage))));
    let about = ("running_jobs_without_worker", "Running jobs whose lease ran out and that were not put back yet");
    gauge(registry, about, seen.running.iter().map(|at| at.lost).sum::<i64>() as f64);
    let about = (
        "training_steps_per_second",
        "Training steps a second of all running jobs, on average since each began its stage",
    );
    let pace = |stage| at(stage).map_or(0.0, |at| at.steps_per_second);
    gauges(registry, about, ["stage1", "stage2"].map(|stage| (vec![("stage", stage)], pace(stage))));
    let about =
        ("generation_rows_per_second", "Rows a second of all jobs that are writing rows, on average since each began");
    gauge(registry, about, at("generate").map_or(0.0, |at| at.rows_per_second));
}

fn tries(registry: &mut Registry, attempts: &Attempts) {
    let about = ("job_claims", "Claims of jobs by workers since this server started");
    counters(registry, about, [(Vec::new(), attempts.count("begun"))]);
    let ends = KINDS.into_iter().filter(|kind| *kind != "begun");
    let about = (
        "job_attempts_ended",
        "Attempts at jobs that ended since this server started; jobs that were handed_back, or lost by a worker, are tried again",
    );
    counters(registry, about, ends.map(|kind| (vec![("outcome", kind)], attempts.count(kind))));
}

fn workers(registry: &mut Registry, seen: &Observed) {
    let known = |device: &str| DEVICES.contains(&device);
    let count = |device: &str, state: &str| {
        let like = seen
            .workers
            .iter()
            .filter(|of| of.state == state && (of.device == device || device == "other" && !known(&of.device)));
        like.map(|of| of.workers).sum::<i64>() as f64
    };
    let devices = DEVICES.into_iter().chain(["other"]);
    let all = devices
        .flat_map(|device| STATES.map(|state| (vec![("device", device), ("state", state)], count(device, state))));
    let about = (
        "workers",
        "Workers that were heard of within a day, by what they train on and what they are at; silent ones missed three signs of life",
    );
    gauges(registry, about, all);
}

fn budgets(registry: &mut Registry, seen: &Observed) {
    let of = seen.budgets;
    let levels = [("open", of.all - of.low - of.used_up), ("low", of.low), ("used_up", of.used_up)];
    let about = (
        "budgets",
        "Privacy budgets by what is spent of them or held by admitted jobs: low from 90 %, used_up from 99.9 % on",
    );
    gauges(registry, about, levels.map(|(level, budgets)| (vec![("level", level)], budgets as f64)));
    let about = ("budgets_granted_epsilon", "Sum of the epsilons of all budgets, each for people of its own");
    gauge(registry, about, of.granted_epsilon);
    let about = (
        "budgets_spent",
        "Sum of the spent shares of all budgets, each from 0 to 1; shares and not epsilons add up on a ledger",
    );
    gauge(registry, about, of.spent);
}

fn work(registry: &mut Registry, seen: &Observed) {
    let by_source = |figure: fn(&WorkDone) -> f64| {
        SOURCES.map(|source| {
            let done = seen.work.iter().find(|done| done.source == source);
            (vec![("source", source)], done.map_or(0.0, figure))
        })
    };
    let whole = |figure: fn(&WorkDone) -> f64| [(Vec::new(), seen.work.iter().map(figure).sum())];
    let about = (
        "energy_joules",
        "Joules of training and generation, by where the figure comes from; estimate is 10 watts a busy core",
    );
    counters(registry, about, by_source(|done| done.joules));
    let about = ("work_seconds", "Seconds of training and generation by the clock");
    counters(registry, about, whole(|done| done.seconds));
    let about = ("work_cpu_seconds", "Seconds of processors for training and generation, all cores together");
    counters(registry, about, whole(|done| done.cpu_seconds));
    let about = ("generated_rows", "Rows of synthetic tables that were written");
    counters(registry, about, whole(|done| done.rows as f64));
    let about = ("generation_seconds", "Seconds by the clock that it took to write them");
    counters(registry, about, whole(|done| done.row_seconds));
}
