//! Rows a second that a model writes. `benches/peers/generation.py` runs this beside Hugging Face's
//! `generate` on the same shape; alone: `cargo bench --bench generation -- KIND THREADS ROWS`.
//!
//! KIND: `compact` (4 layers, width 128, 24 columns of 21 tokens, one token a column), `text` (the same model,
//! rows of 15 columns as sentences), `gpt2-text` (sentences by GPT-2 small's shape). The tokenizer of
//! sentences is the small one of the tests, whose 400 tokens make rows longer than GPT-2's own would.
//!
//! Prints one line of JSON: rows and tokens, CPU seconds, and whether every row was valid.

mod cost;

use dp2stage::engine::{Halt, Order, Progress, Stop, Writer, generate};
use dp2stage::model::{Config, Gpt2, Heads, Initial, Tokenizer, initial};
use dp2stage::privacy::{NoiseSource, Purpose};
use dp2stage::tabular::{Codec, Column, Compact, Domain, Grid, GridKind, Schema, Text};
use serde_json::json;

use cost::{cpu_seconds, peak_mib};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOKENIZER: &[u8] = include_bytes!("../tests/fixtures/tokenizer/tokenizer.json");

struct Never;

impl Stop for Never {
    fn pulse(&self, _: Progress) -> Result<(), Halt> {
        Ok(())
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let kind = arguments.first().map_or("compact", String::as_str);
    let number = |i: usize, usual: usize| arguments.get(i).and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (threads, rows) = (number(1, 1), number(2, 8192));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();

    let schema = if kind == "compact" { narrow() } else { register() };
    let tokenizer = Tokenizer::from_json(TOKENIZER).unwrap();
    let (codec, heads, vocabulary) = if kind == "compact" {
        let compact = Compact::new(&schema);
        let (heads, vocabulary) = (Heads::places(compact.spans()), compact.vocabulary() as usize);
        (Codec::Compact(compact), heads, vocabulary)
    } else {
        let text = Text::new(&schema, &|text| tokenizer.words(text), 0, tokenizer.vocabulary()).unwrap();
        let heads = Heads::Sets { sets: text.sets().to_vec(), share: 1.0 / text.width() as f32 };
        (Codec::Text(text), heads, if kind == "text" { 512 } else { 50_257 })
    };
    let positions = codec.longest();
    let config = if kind == "gpt2-text" {
        Config { vocabulary, positions, width: 768, layers: 12, heads: 12, opening: 0 }
    } else {
        Config { vocabulary, positions, width: 128, layers: 4, heads: 4, opening: 0 }
    };
    let model = Gpt2::new(config, heads, positions).unwrap();
    let source = NoiseSource::from_os();
    let how = Initial { tokens: 0.02, positions: 0.02, matrices: 0.6, smoothness: 0.0 };
    let weights = initial(&model, &how, &[], &mut source.stream(Purpose::Weights, 0));
    let writer = Writer { model: &model, codec: &codec, weights: &weights };
    let (mut best, mut tokens, mut valid) = (f64::INFINITY, 0, true);
    for _ in 0..3 {
        let cpu = cpu_seconds();
        let table = generate(writer, &schema, &Order::free(rows), (&source, &Never)).unwrap();
        best = best.min(cpu_seconds() - cpu);
        tokens = table.iter().map(|row| codec.length(row)).sum();
        let fits = |row: &[u32]| schema.columns().iter().zip(row).all(|(column, &code)| column.holds(code));
        valid &= table.rows() == rows && table.iter().all(fits);
    }
    let rate = rows as f64 / best;
    println!(
        "{}",
        json!({ "kind": kind, "threads": threads, "rows": rows, "tokens_a_row": tokens as f64 / rows as f64,
                "cpu": best, "rows_a_cpu_second": rate, "valid": valid, "peak_mib": peak_mib() })
    );
}

fn categories(name: &str, values: &[&str]) -> Column {
    let values = values.iter().map(|&value| value.to_owned()).collect();
    Column { name: name.into(), domain: Domain::Categories(values), nullable: false }
}

fn integers(name: &str, first: i64, last: i64) -> Column {
    let grid = Grid::new(GridKind::Integer, first, last, 1, 0).unwrap();
    Column { name: name.into(), domain: Domain::Grid(grid), nullable: false }
}

/// 24 columns of 21 values: a vocabulary of 505.
fn narrow() -> Schema {
    Schema::new((0..24).map(|i| integers(&format!("c{i}"), 0, 20)).collect(), None, None).unwrap()
}

/// Columns like those of a census.
fn register() -> Schema {
    let columns = vec![
        integers("age", 17, 90),
        categories("workclass", &["Private", "Self-emp", "Federal-gov", "Local-gov", "State-gov", "Without-pay"]),
        integers("weight", 10_000, 1_500_000),
        categories("education", &["Bachelors", "Some-college", "11th", "HS-grad", "Masters", "9th", "Doctorate"]),
        integers("years", 1, 16),
        categories("marital", &["Married", "Divorced", "Never-married", "Separated", "Widowed"]),
        categories("occupation", &["Tech-support", "Craft-repair", "Sales", "Exec-managerial", "Farming", "Transport"]),
        categories("relationship", &["Wife", "Own-child", "Husband", "Not-in-family", "Unmarried"]),
        categories("race", &["White", "Black", "Other"]),
        categories("sex", &["Female", "Male"]),
        integers("gain", 0, 99_999),
        integers("loss", 0, 4356),
        integers("hours", 1, 99),
        categories("country", &["United-States", "England", "Canada", "Germany", "Japan", "India", "Mexico"]),
        categories("income", &["<=50K", ">50K"]),
    ];
    Schema::new(columns, Some(14), None).unwrap()
}
