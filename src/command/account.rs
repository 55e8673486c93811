//! `dp2stage account`: the accountant for researchers and scripts, one JSON case a line.

use std::io::{BufRead, Write};

use dp2stage::privacy::{
    Delta, Epsilon, Loss, NoiseMultiplier, Release, SamplingRate, epsilon, epsilon_rdp, noise_multiplier,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// One case: releases on Poisson samples, and what is asked about them.
#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    id: Value,
    delta: f64,
    /// Wanted: asks for sigma.
    epsilon: Option<f64>,
    q: Option<f64>,
    sigma: Option<f64>,
    steps: Option<u32>,
    events: Option<Vec<Part>>,
}

/// Releases of one kind.
#[derive(Deserialize)]
struct Part {
    q: f64,
    sigma: f64,
    steps: u32,
}

/// Answers every line, in order, as it comes; a line that is wrong costs no other its answer.
pub fn run(input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    for line in input.split(b'\n') {
        let line = line?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        serde_json::to_writer(&mut output, &answer(&line))?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(line: &[u8]) -> Value {
    let read: Result<Value, _> = serde_json::from_slice(line);
    let id = read.as_ref().ok().and_then(|case| case.get("id")).cloned().unwrap_or_default();
    let done =
        read.map_err(Into::into).and_then(|case| Ok(serde_json::from_value(case)?)).and_then(|case: Case| {
            match (&case.events, case.epsilon, case.q, case.sigma, case.steps) {
                (None, Some(target), Some(q), None, Some(steps)) => calibrated(&case, target, (q, steps)),
                (None, None, Some(q), Some(sigma), Some(steps)) => spent(&case, &[Part { q, sigma, steps }]),
                (Some(events), None, None, None, None) => spent(&case, events),
                _ => anyhow::bail!(
                    "give delta with q, sigma and steps, or with events of those, for epsilon; \
                 or delta with epsilon, q and steps for sigma"
                ),
            }
        });
    done.unwrap_or_else(|error| json!({"id": id, "error": error.to_string()}))
}

fn calibrated(case: &Case, target: f64, (q, steps): (f64, u32)) -> anyhow::Result<Value> {
    let (target, delta) = (Epsilon::new(target)?, Delta::new(case.delta)?);
    let sigma = noise_multiplier(SamplingRate::new(q)?, steps, target, delta)?;
    Ok(json!({"id": case.id, "sigma": sigma}))
}

fn spent(case: &Case, parts: &[Part]) -> anyhow::Result<Value> {
    let delta = Delta::new(case.delta)?;
    let mut loss = Loss::default();
    for part in parts {
        let (rate, sigma) = (SamplingRate::new(part.q)?, NoiseMultiplier::new(part.sigma)?);
        loss.add_release(Release { rate, sigma, count: part.steps })?;
    }
    Ok(json!({"id": case.id, "epsilon": epsilon(&loss, delta)?, "epsilon_rdp": epsilon_rdp(&loss, delta)?}))
}
