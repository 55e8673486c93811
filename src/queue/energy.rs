//! How much energy a stretch of work takes: from the counters of the processors' packages, or from the card's own
//! meter, where they can be read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use candle_core::DeviceLocation;
use nix::time::{ClockId, clock_gettime};

use crate::model::Compute;
use crate::report::language::{Energy, EnergySource};
use crate::store::WorkDone;

/// Between two looks: counters of packages wrap around after minutes, and a card says its power of the moment alone.
const EVERY: Duration = Duration::from_secs(1);

/// Where Linux shows the counters.
const COUNTERS: &str = "/sys/class/powercap";

/// Runs from its making to [`Gauge::read`].
pub(super) struct Gauge {
    begun: Instant,
    cpu: f64,
    sampler: Option<Sampler>,
}

impl Gauge {
    /// Begins.
    pub fn begin(compute: &Compute) -> Self {
        let meter = Meter::of(compute, Path::new(COUNTERS));
        Self { begun: Instant::now(), cpu: cpu_seconds(), sampler: meter.map(Sampler::begin) }
    }

    /// What was taken since.
    pub fn read(self) -> Energy {
        let (seconds, cpu) = (self.begun.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        let measured = self.sampler.and_then(Sampler::end).filter(|(_, joules)| *joules > 0.0);
        Energy::of(measured, seconds, cpu.max(0.0))
    }
}

/// What an attempt adds to all that was done, by its energy and by the rows that it wrote in so many seconds.
pub(super) fn work_done(energy: &Energy, rows: usize, row_seconds: f64) -> WorkDone {
    let source = match energy.source {
        EnergySource::Rapl => "rapl",
        EnergySource::NvidiaSmi => "nvidia-smi",
        EnergySource::Estimate => "estimate",
    };
    WorkDone {
        source: source.into(),
        attempts: 1,
        seconds: energy.seconds,
        cpu_seconds: energy.cpu_seconds,
        joules: energy.joules,
        rows: rows as i64,
        row_seconds,
    }
}

/// Seconds of the processor that this process has taken, all threads together.
fn cpu_seconds() -> f64 {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map_or(0.0, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 * 1e-9)
}

/// A thread that looks now and then.
struct Sampler {
    source: EnergySource,
    end: Sender<()>,
    thread: JoinHandle<f64>,
}

impl Sampler {
    fn begin(mut meter: Meter) -> Self {
        let (source, (end, ended)) = (meter.source(), channel());
        let thread = std::thread::spawn(move || {
            let mut joules = 0.0;
            loop {
                let over = ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
                joules += meter.joules_since();
                if over {
                    return joules;
                }
            }
        });
        Self { source, end, thread }
    }

    fn end(self) -> Option<(EnergySource, f64)> {
        drop(self.end);
        Some((self.source, self.thread.join().ok()?))
    }
}

/// What measures.
enum Meter {
    /// Packages of processors.
    Packages(Vec<Package>),
    /// A card, and when it was looked at last.
    Card(usize, Instant),
}

impl Meter {
    /// The meter of whatever computes, if there is one.
    fn of(compute: &Compute, counters: &Path) -> Option<Self> {
        if let Compute::Device(device, _) = compute
            && let DeviceLocation::Cuda { gpu_id } = device.location()
        {
            return watts(gpu_id).map(|_| Self::Card(gpu_id, Instant::now()));
        }
        let packages = packages(counters);
        (!packages.is_empty()).then_some(Self::Packages(packages))
    }

    fn source(&self) -> EnergySource {
        match self {
            Self::Packages(_) => EnergySource::Rapl,
            Self::Card(..) => EnergySource::NvidiaSmi,
        }
    }

    /// Joules since it was asked last.
    fn joules_since(&mut self) -> f64 {
        match self {
            Self::Packages(packages) => packages.iter_mut().map(Package::joules_since).sum(),
            Self::Card(gpu, last) => {
                let (watts, now) = (watts(*gpu).unwrap_or(0.0), Instant::now());
                watts * (now - std::mem::replace(last, now)).as_secs_f64()
            }
        }
    }
}

/// The power of a card now.
fn watts(gpu: usize) -> Option<f64> {
    let asked = Command::new("nvidia-smi")
        .args(["--query-gpu=power.draw", "--format=csv,noheader,nounits", "--id"])
        .arg(gpu.to_string())
        .output()
        .ok()?;
    String::from_utf8(asked.stdout).ok()?.trim().parse().ok()
}

/// A package's counter of microjoules, which begins again at 0 after its range.
struct Package {
    file: PathBuf,
    range: u64,
    last: u64,
}

impl Package {
    fn joules_since(&mut self) -> f64 {
        let Some(now) = number(&self.file) else { return 0.0 };
        let last = std::mem::replace(&mut self.last, now);
        let moved = if now >= last { now - last } else { now + self.range.saturating_sub(last) };
        moved as f64 * 1e-6
    }
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The counters of whole packages that may be read; those of their parts are in them.
fn packages(counters: &Path) -> Vec<Package> {
    let Ok(zones) = std::fs::read_dir(counters) else { return Vec::new() };
    let package = |zone: PathBuf| {
        let name = std::fs::read_to_string(zone.join("name")).ok()?;
        let file = zone.join("energy_uj");
        let last = number(&file).filter(|_| name.starts_with("package"))?;
        Some(Package { file, range: number(&zone.join("max_energy_range_uj"))?, last })
    };
    zones.filter_map(|zone| package(zone.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packages, one of them with a part, one wraps around.
    #[test]
    fn packages_are_summed_and_wrap_around() {
        let root = tempfile::tempdir().unwrap();
        let write = |zone: &str, file: &str, text: &str| {
            std::fs::create_dir_all(root.path().join(zone)).unwrap();
            std::fs::write(root.path().join(zone).join(file), text).unwrap();
        };
        for (zone, name, energy) in [
            ("intel-rapl:0", "package-0\n", "1000000\n"),
            ("intel-rapl:1", "package-1\n", "9000000\n"),
            ("intel-rapl:0:0", "core\n", "5\n"),
        ] {
            write(zone, "name", name);
            write(zone, "energy_uj", energy);
            write(zone, "max_energy_range_uj", "10000000\n");
        }
        let mut meter = Meter::of(&Compute::Slices, root.path()).unwrap();
        assert_eq!(meter.source(), EnergySource::Rapl);
        assert_eq!(meter.joules_since(), 0.0);
        write("intel-rapl:0", "energy_uj", "3500000\n");
        write("intel-rapl:1", "energy_uj", "500000\n");
        write("intel-rapl:0:0", "energy_uj", "9000000\n");
        assert!((meter.joules_since() - (2.5 + 1.5)).abs() < 1e-9);
        assert!(Meter::of(&Compute::Slices, Path::new("/nowhere")).is_none());
    }

    #[test]
    fn without_a_meter_the_processor_is_counted() {
        let gauge = Gauge { begun: Instant::now(), cpu: cpu_seconds(), sampler: None };
        let begun = Instant::now();
        let mut sum = 0u64;
        while begun.elapsed() < Duration::from_millis(50) {
            sum = std::hint::black_box(sum + 1);
        }
        let read = gauge.read();
        assert!(read.cpu_seconds > 0.02 && read.seconds >= 0.05, "{read:?}");
        assert_eq!((read.source, read.joules), (EnergySource::Estimate, 10.0 * read.cpu_seconds));
    }
}
