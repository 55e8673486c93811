//! What a job took.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Watts of a core at work with its share of the machine, where nothing measures them: an assumption.
pub const WATTS_PER_CORE: f64 = 10.0;

/// The writing of rows by the language model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Generation {
    /// Rows that were written: more than the table has where the best of them were kept.
    pub rows: u64,
    /// Seconds by the clock.
    pub seconds: f64,
    /// Seconds by the clock for a thousand rows. The lower, the better.
    pub seconds_per_1000_rows: f64,
    /// Tokens of all these rows.
    pub tokens: u64,
    /// Tokens of a row, on average.
    pub tokens_per_row: f64,
}

impl Generation {
    /// Rows and tokens that were written in so many seconds; none for no rows.
    #[must_use]
    pub fn of(rows: u64, tokens: u64, seconds: f64) -> Option<Self> {
        let (each, seconds) = (rows as f64, seconds.max(0.0));
        let per_row = |total: f64| total / each;
        (rows > 0).then(|| Self {
            rows,
            seconds,
            seconds_per_1000_rows: 1000.0 * per_row(seconds),
            tokens,
            tokens_per_row: per_row(tokens as f64),
        })
    }
}

/// Where a figure of energy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum EnergySource {
    /// The counters of the processors' packages (RAPL): all that the machine did in that time, other work included, and
    /// no memory, disk or power supply.
    #[serde(rename = "rapl")]
    Rapl,
    /// The power of the card, asked of `nvidia-smi` about once a second, and the estimate for the processor.
    #[serde(rename = "nvidia-smi")]
    NvidiaSmi,
    /// Nothing that measures could be read: seconds of the processor times 10 watts a core, an assumption.
    #[serde(rename = "estimate")]
    Estimate,
}

/// The energy of training and generation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Energy {
    /// Where the figure comes from.
    pub source: EnergySource,
    /// Joules.
    pub joules: f64,
    /// The same in watt-hours.
    pub watt_hours: f64,
    /// Seconds by the clock: of the attempt that finished the job, without those before it.
    pub seconds: f64,
    /// Seconds of the processor, all cores together.
    pub cpu_seconds: f64,
}

impl Energy {
    /// Of so many joules that were measured, or an estimate.
    #[must_use]
    pub fn of(measured: Option<(EnergySource, f64)>, seconds: f64, cpu_seconds: f64) -> Self {
        let estimate = cpu_seconds * WATTS_PER_CORE;
        let (source, joules) = match measured {
            Some((EnergySource::Rapl, joules)) => (EnergySource::Rapl, joules),
            Some((EnergySource::NvidiaSmi, joules)) => (EnergySource::NvidiaSmi, joules + estimate),
            Some((EnergySource::Estimate, _)) | None => (EnergySource::Estimate, estimate),
        };
        Self { source, joules, watt_hours: joules / 3600.0, seconds, cpu_seconds }
    }
}
