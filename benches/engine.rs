//! CPU seconds of a training step, with and without clipping, at the shapes of the small model and of
//! GPT-2 small. `benches/peers/engine.py` runs this beside Opacus; alone:
//! `cargo bench --bench engine -- SHAPE THREADS [DEVICE [PRECISION [ROWS]]]`, where SHAPE is `small`, `gpt2-64` or
//! `gpt2-128`, DEVICE `cpu` or `cuda:0` (with `docker/cuda-check bench --bench engine -- ...`), PRECISION `f32` or
//! `bf16`, and ROWS the rows of a step.
//!
//! Prints one line of JSON: seconds of CPU and of the clock of the best of several steps, and peak memory
//! of the host in MiB.

use std::time::Instant;

use dp2stage::engine::{Adam, AdamSettings};
use dp2stage::model::{
    Batch, Clipping, Compute, Config, Gpt2, Heads, Initial, Passes, Place, Precision, Room, initial,
};
use dp2stage::privacy::{NoiseSource, Purpose, add_gaussian};
use rand::Rng;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ADAM: AdamSettings = AdamSettings { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let shape = arguments.first().map_or("small", String::as_str);
    let threads = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(1);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let (config, rows, places) = match shape {
        "gpt2-64" => (gpt2(64), 4, 256),
        "gpt2-128" => (gpt2(128), 4, 512),
        _ => (Config { vocabulary: 512, positions: 32, width: 128, layers: 4, heads: 4, opening: 0 }, 256, 1024),
    };
    let place: Place = arguments.get(2).map_or(Place::Cpu, |name| name.parse().unwrap());
    let precision = if arguments.get(3).is_some_and(|name| name == "bf16") { Precision::Bf16 } else { Precision::F32 };
    let rows = arguments.get(4).map_or(rows, |rows| rows.parse().unwrap());
    let compute = Compute::open(place, precision).unwrap();
    let model = Gpt2::new(config, Heads::All, config.positions).unwrap();
    let source = NoiseSource::from_os();
    let how = Initial { tokens: 0.02, positions: 0.02, matrices: 0.6, smoothness: 0.0 };
    let mut p = initial(&model, &how, &[], &mut source.stream(Purpose::Weights, 0));
    let mut rng = source.stream(Purpose::Pseudo, 0);
    let tokens: Vec<u32> =
        (0..rows * config.positions).map(|_| rng.random_range(0..config.vocabulary as u32)).collect();
    let fetch = |i: usize, row: &mut [u32]| row.copy_from_slice(&tokens[i * row.len()..(i + 1) * row.len()]);

    let room = Room { places, ..Room::of(&model) };
    let mut lanes = Passes::new(&model, 1, room, &compute).unwrap();
    let (mut sum, mut adam) = (vec![0f64; p.len()], Adam::new(p.len()));
    let mut gradient = vec![0f32; p.len()];
    let moves = model.layout().moves();
    let mut measure = |clipping: Clipping, whole: bool| {
        let mut best = (f64::INFINITY, f64::INFINITY);
        for step in 0..6 {
            let (cpu, wall) = (cpu_seconds(), Instant::now());
            lanes.gradient_sum(&model, &p, Batch::of_rows(rows, &fetch), clipping, &mut sum).unwrap();
            if whole {
                if clipping != Clipping::None {
                    add_gaussian(&mut source.stream(Purpose::Noise, step), 1.0, &mut sum);
                }
                gradient.iter_mut().zip(&sum).for_each(|(g, &x)| *g = (x / rows as f64) as f32);
                adam.step(&ADAM, 1e-4, &gradient, (&mut p, moves));
            }
            best = (best.0.min(cpu_seconds() - cpu), best.1.min(wall.elapsed().as_secs_f64()));
        }
        json!({ "cpu": best.0, "wall": best.1 })
    };
    let clip = Clipping::Norm(1.0);
    let result = json!({
        "shape": shape, "threads": threads, "device": place.to_string(), "precision": precision.to_string(), "rows": rows, "parameters": model.layout().trained_len(),
        "gradient": measure(Clipping::None, false), "clipped": measure(clip, false),
        "step": measure(Clipping::None, true), "dp_step": measure(clip, true),
        "peak_mib": peak_mib(),
    });
    println!("{result}");
}

fn gpt2(positions: usize) -> Config {
    Config { vocabulary: 50_257, positions, width: 768, layers: 12, heads: 12, opening: 50_256 }
}

/// User and system time of this process, all threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
