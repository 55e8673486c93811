//! The machine: its clock, and what workers run on.

use std::time::SystemTime;

use super::finding::{Finding, chain};
use crate::command::memory::worker_machine;
use crate::config::Config;

/// 2026-01-01T00:00:00Z: no machine that runs this is older.
const RELEASED: u64 = 1_767_225_600;
/// Below this a worker has room for small jobs alone.
const ROOMY: u64 = 2 << 30;

/// Device, memory, clock.
pub fn all(config: &Config) -> Vec<Finding> {
    let mut found = vec![clock()];
    let places = match config.workers.places() {
        Ok(places) => places,
        Err(error) => {
            found.push(Finding::bad("device", chain(&error), "workers.device is cpu, or cuda:0,cuda:1 and so on"));
            return found;
        }
    };
    if places.is_empty() {
        found.push(Finding::warning(
            "device",
            "no local workers (workers.local = 0): jobs wait until a worker joins",
            "run `dp2stage work` somewhere with the same database, storage and storage key",
        ));
        return found;
    }
    for place in &places {
        match place.open() {
            Ok(_) if place == &places[0] => {
                let machine = worker_machine(config, places.len());
                let says = format!(
                    "{} worker(s) on {place}, {} threads and {} GiB each",
                    places.len(),
                    machine.threads,
                    machine.memory_bytes >> 30
                );
                found.push(match machine.memory_bytes < ROOMY {
                    true => Finding::warning("device", says, "jobs that need more are refused: free memory, or run fewer workers"),
                    false => Finding::ok("device", says),
                });
            }
            Ok(_) => {}
            Err(error) => found.push(Finding::bad(
                "device",
                format!("{place}: {error}"),
                "see nvidia-smi; cards need a program that was built with `--features cuda`, or set workers.device = \"cpu\"",
            )),
        }
    }
    found
}

fn clock() -> Finding {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match now > RELEASED {
        true => Finding::ok("clock", "plausible"),
        false => Finding::bad(
            "clock",
            "this machine's clock is before 2026",
            "set it, and keep it with chrony or systemd-timesyncd",
        ),
    }
}
