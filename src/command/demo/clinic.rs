//! A clinic register that never was: dependent columns, drawn afresh from a fixed seed, so that
//! everybody's first run is on the same table and no real person is in it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use serde_json::{Value, json};

const ROWS: usize = 8000;
const WARDS: [&str; 5] = ["cardiology", "surgery", "orthopaedics", "maternity", "geriatrics"];
const INSURANCE: [&str; 3] = ["public", "private", "none"];

/// The declared columns.
pub fn schema() -> Value {
    json!({"columns": [
        {"name": "age", "type": "integer", "min": 18, "max": 99},
        {"name": "sex", "type": "categorical", "categories": ["female", "male"]},
        {"name": "ward", "type": "categorical", "categories": WARDS},
        {"name": "smoker", "type": "categorical", "categories": ["no", "former", "yes"]},
        {"name": "bmi", "type": "number", "min": 12, "max": 60, "step": 0.1},
        {"name": "systolic", "type": "integer", "min": 70, "max": 230, "nullable": true},
        {"name": "insurance", "type": "categorical", "categories": INSURANCE, "nullable": true},
        {"name": "admitted", "type": "datetime", "min": "2024-01-01", "max": "2025-12-31"},
        {"name": "nights", "type": "integer", "min": 0, "max": 60},
        {"name": "readmitted", "type": "categorical", "categories": ["no", "yes"]}],
      "target": "readmitted", "positive": "yes"})
}

/// The register, CSV.
pub fn draw() -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_123);
    let mut csv = String::from("age,sex,ward,smoker,bmi,systolic,insurance,admitted,nights,readmitted\n");
    for _ in 0..ROWS {
        csv += &patient(&mut rng);
        csv.push('\n');
    }
    csv
}

/// One row: each column depends on those before it.
fn patient(rng: &mut ChaCha8Rng) -> String {
    let female = rng.random_bool(0.53);
    let age = normal(rng, 57.0, 19.0).clamp(18.0, 99.0).round();
    let ward = match rng.random::<f64>() {
        u if female && age < 45.0 && u < 0.45 => 3,
        u if age > 75.0 && u < 0.5 => 4,
        u => [0, 0, 1, 1, 2][(u * 5.0) as usize],
    };
    let smoker =
        ["no", "former", "yes"][if rng.random_bool(0.55) { 0 } else { 1 + usize::from(rng.random_bool(0.45)) }];
    let bmi = normal(rng, if ward == 0 { 29.0 } else { 26.0 }, 4.5).clamp(12.0, 60.0);
    let systolic = normal(rng, 98.0 + 0.45 * age + 0.4 * (bmi - 26.0), 13.0).clamp(70.0, 230.0).round();
    let systolic = if rng.random_bool(0.04) { String::new() } else { systolic.to_string() };
    let insurance = match rng.random::<f64>() {
        u if u < 0.03 => "",
        u if u < 0.2 + 0.002 * age => INSURANCE[1],
        u if u > 0.96 => INSURANCE[2],
        _ => INSURANCE[0],
    };
    let day = time::macros::date!(2024 - 01 - 01) + time::Duration::days(rng.random_range(0..731));
    let stay: f64 = [5.0, 6.0, 4.0, 2.5, 11.0][ward];
    let nights = (stay * normal(rng, 0.0, 0.6).exp()).clamp(0.0, 60.0).round();
    let risk = -5.0 + 0.045 * age + 0.16 * nights + if smoker == "yes" { 1.6 } else { 0.0 } + 0.1 * (bmi - 26.0);
    let again = if rng.random_bool(1.0 / (1.0 + (-risk).exp())) { "yes" } else { "no" };
    let sex = if female { "female" } else { "male" };
    format!("{age},{sex},{},{smoker},{bmi:.1},{systolic},{insurance},{day},{nights},{again}", WARDS[ward])
}

fn normal(rng: &mut ChaCha8Rng, mean: f64, deviation: f64) -> f64 {
    // A positive constant deviation is always a valid one.
    Normal::new(mean, deviation).map_or(mean, |n| n.sample(rng))
}
