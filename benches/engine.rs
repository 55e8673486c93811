//! Seconds of a training step, with and without clipping, at the shapes of the small model and of GPT-2
//! small. `benches/peers/engine.py` runs this beside Opacus; alone:
//! `cargo bench --bench engine -- SHAPE THREADS [DEVICE [PRECISION [ROWS [PLACES]]]]`, where SHAPE is `small`, `gpt2-64` or
//! `gpt2-128`, DEVICE `cpu` or `cuda:0` (with `docker/cuda-check bench --bench engine -- ...`), PRECISION `f32` or
//! `bf16`, ROWS the rows of a step, and PLACES those of a chunk where they are not the usual ones.
//!
//! Prints one line of JSON: seconds of CPU and of wall of the best of several steps, peak memory of the host in
//! MiB, and how fast the arithmetic was, beside the machine's best matrix product (2048 cubed, one thread).
//!
//! What counts as arithmetic: for each of `n` places 2 operations a weight of the matrices and of the head
//! on the way up and 4 on the way down, and `2 * 2 d` a place that attention looks back at (half of all) on
//! the way up and twice that on the way down: `6 n (12 L d^2 + V d) + 6 n T L d`. Norms of rows, noise, the
//! optimiser, embeddings and everything elementwise count nothing: that they take time is what is measured.

mod cost;

use std::time::Instant;

use dp2stage::engine::{Adam, AdamSettings};
use dp2stage::model::{
    Batch, Clipping, Compute, Config, Gpt2, Heads, Initial, Passes, Place, Precision, Room, initial,
};
use dp2stage::privacy::{NoiseSource, Purpose, noisy_mean};
use rand::Rng;
use serde_json::json;

use cost::{cpu_seconds, peak_mib};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ADAM: AdamSettings = AdamSettings { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };

/// Steps of each kind; the best one counts.
const STEPS: u64 = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let shape = arguments.first().map_or("small", String::as_str);
    let threads = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(1);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let (config, rows) = match shape {
        "gpt2-64" => (gpt2(64), 4),
        "gpt2-128" => (gpt2(128), 4),
        _ => (Config { vocabulary: 512, positions: 32, width: 128, layers: 4, heads: 4, opening: 0 }, 256),
    };
    let place: Place = arguments.get(2).map_or(Place::Cpu, |name| name.parse().unwrap());
    let precision = if arguments.get(3).is_some_and(|name| name == "bf16") { Precision::Bf16 } else { Precision::F32 };
    let rows = arguments.get(4).map_or(rows, |rows| rows.parse().unwrap());
    let compute = Compute::open(place, precision).unwrap();
    let matmul = matmul();
    let model = Gpt2::new(config, Heads::All, config.positions).unwrap();
    let source = NoiseSource::from_os();
    let how = Initial { tokens: 0.02, positions: 0.02, matrices: 0.6, smoothness: 0.0 };
    let mut p = initial(&model, &how, &[], &mut source.stream(Purpose::Weights, 0));
    let mut rng = source.stream(Purpose::Pseudo, 0);
    let tokens: Vec<u32> =
        (0..rows * config.positions).map(|_| rng.random_range(0..config.vocabulary as u32)).collect();
    let fetch = |i: usize, row: &mut [u32]| row.copy_from_slice(&tokens[i * row.len()..(i + 1) * row.len()]);

    let fastest = Room::of(&model);
    let places = arguments.get(5).map_or(fastest.places, |places| places.parse().unwrap());
    let room = Room { places: places.min(rows * config.positions), ..fastest };
    let mut lanes = Passes::new(&model, 1, room, &compute).unwrap();
    let (mut sum, mut adam) = (vec![0f64; p.len()], Adam::new(p.len()));
    let mut gradient = vec![0f32; p.len()];
    let moves = model.layout().moves();
    let mut kinds =
        [(Clipping::None, false), (Clipping::Norm(1.0), false), (Clipping::None, true), (Clipping::Norm(1.0), true)]
            .map(|kind| (kind, (f64::INFINITY, f64::INFINITY)));
    // In turn, so that what else the machine does hits all kinds alike.
    for step in 0..STEPS {
        for ((clipping, whole), best) in &mut kinds {
            let (cpu, wall) = (cpu_seconds(), Instant::now());
            lanes.gradient_sum(&model, &p, Batch::of_rows(rows, &fetch), *clipping, &mut sum).unwrap();
            if *whole {
                if *clipping == Clipping::None {
                    gradient.iter_mut().zip(&sum).for_each(|(g, &x)| *g = (x / rows as f64) as f32);
                } else {
                    let mut noise = source.stream(Purpose::Noise, step);
                    noisy_mean(&mut noise, 1.0, &sum, rows as f64, &mut gradient);
                }
                adam.step(&ADAM, 1e-4, &gradient, (&mut p, moves));
            }
            *best = (best.0.min(cpu_seconds() - cpu), best.1.min(wall.elapsed().as_secs_f64()));
        }
    }
    let (n, d, l) = ((rows * config.positions) as f64, config.width as f64, config.layers as f64);
    let weights = 12.0 * l * d * d + config.vocabulary as f64 * d;
    let operations = 6.0 * n * weights + 6.0 * n * config.positions as f64 * l * d;
    let [plain, clipped, step, dp_step] = kinds.map(|(_, (cpu, wall))| {
        let rate = operations / cpu / 1e9;
        json!({ "cpu": cpu, "wall": wall, "gflops_a_core": rate, "of_matmul": rate / matmul })
    });
    let result = json!({
        "shape": shape, "threads": threads, "device": place.to_string(), "precision": precision.to_string(),
        "rows": rows, "parameters": model.layout().trained_len(), "places": room.places,
        "gradient": plain, "clipped": clipped, "step": step, "dp_step": dp_step,
        "matmul_gflops": matmul, "gflop": operations / 1e9, "peak_mib": peak_mib(),
    });
    println!("{result}");
}

fn gpt2(positions: usize) -> Config {
    Config { vocabulary: 50_257, positions, width: 768, layers: 12, heads: 12, opening: 50_256 }
}

/// Billions of operations a CPU second of the best product of two 2048 x 2048 matrices, one thread.
fn matmul() -> f64 {
    const N: usize = 2048;
    let (a, b, mut c) = (vec![0.5f32; N * N], vec![0.25f32; N * N], vec![0f32; N * N]);
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        let cpu = cpu_seconds();
        // SAFETY: three dense N x N matrices that do not overlap.
        unsafe {
            let (row, one) = (N as isize, 1);
            let (c, a, b) = (c.as_mut_ptr(), a.as_ptr(), b.as_ptr());
            let alone = gemm::Parallelism::None;
            gemm::gemm(N, N, N, c, one, row, false, a, one, row, b, one, row, 1.0, 1.0, false, false, false, alone);
        }
        best = best.min(cpu_seconds() - cpu);
    }
    2.0 * (N * N * N) as f64 / best / 1e9
}
