//! A canary audit in one run (Steinke, Nasr and Jagielski 2023): a fair coin for each of many canaries
//! says whether it is in the private table; whoever sees all that is released guesses the coins. How
//! many guesses are right bounds epsilon from below.
//!
//! A bound below the claim alone proves little: half of the noise passes that too. So the guesses must
//! also be as many as an ideal mechanism of the same parameters allows, no fewer and no more.

use dp2stage::engine::{Chance, PrivateRows, Work};
use dp2stage::model::{Batch, Clipping, Config, Gpt2, Heads, Lanes};
use dp2stage::privacy::{Delta, DpEvent, NoiseMultiplier, NoiseSource, SamplingRate, epsilon_of};
use dp2stage::report::evidence::one_run_bound;
use dp2stage::tabular::{Codec, Compact, Groups, Schema, Table};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::categories;
use super::mechanism::mechanism;
use super::persons::dealt;

const CANARIES: usize = 600;
const STEPS: u32 = 8;
const CLIP: f64 = 0.1;
const DELTA: f64 = 1e-5;
/// The bounds hold with all but this probability.
const ALPHA: f64 = 1e-7;

/// What is audited.
#[derive(Clone, Copy)]
struct Setting {
    rate: f64,
    noise: f64,
    /// Rows of each canary; more than one where persons are the unit of privacy.
    each: usize,
    /// Guesses told on either side, the surest; the others are kept to oneself.
    guesses: usize,
}

const USUAL: Setting = Setting { rate: 0.5, noise: 1.5, each: 1, guesses: 100 };

/// Each canary is a category of its own, so that its gradient lies in its own embedding, nearly.
struct Audit {
    schema: Schema,
    model: Gpt2,
    parameters: Vec<f32>,
    /// What every clipped canary adds to its own embedding.
    own: Vec<f64>,
}

impl Audit {
    fn new() -> Self {
        let schema = Schema::new(vec![categories("c", CANARIES, false)], None, None).unwrap();
        let codec = Compact::new(&schema);
        let config =
            Config { vocabulary: codec.vocabulary() as usize, positions: 1, width: 8, layers: 1, heads: 2, opening: 0 };
        let model = Gpt2::new(config, Heads::places(codec.spans()), 1).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let mut parameters: Vec<f32> = (0..model.layout().len()).map(|_| rng.random_range(-0.01..0.01)).collect();
        // A large last gain and a steady input: the head's part of the gradient dwarfs all others.
        parameters[model.layout().wpe.range.clone()].iter_mut().for_each(|x| *x *= 100.0);
        parameters[model.layout().ln_f.weight.range.clone()].fill(10.0);
        let fetch = |_: usize, tokens: &mut [u32]| codec.encode(&[0], tokens);
        let mut gradient = vec![0.0; parameters.len()];
        let clipping = Clipping::Norm(CLIP);
        Lanes::new(&model, 1).gradient_sum(&model, &parameters, Batch::of_rows(1, &fetch), clipping, &mut gradient);
        let own = gradient[embedding(&model, 0)].to_vec();
        let share = own.iter().map(|x| x * x).sum::<f64>().sqrt() / CLIP;
        assert!(share > 0.95, "a canary must stand out: {share}");
        Self { schema, model, parameters, own }
    }

    /// How many guesses are right about one run.
    fn right_guesses(&self, setting: Setting) -> usize {
        let each = setting.each;
        let mut coins = rand::rng();
        let inside: Vec<bool> = (0..CANARIES).map(|_| coins.random()).collect();
        let codes = (0..CANARIES as u32).filter(|i| inside[*i as usize]);
        let table = Table::new(1, codes.flat_map(|i| vec![i; each]).collect());
        let (table, persons) = dealt(&self.schema, &table, each, each as u32);
        let scores = self.scores(setting, &table, (each > 1).then_some(&persons));
        right(&scores, &inside, setting.guesses)
    }

    /// What is released in the direction of each canary, over all steps.
    fn scores(&self, setting: Setting, table: &Table, persons: Option<&Groups>) -> Vec<f64> {
        let mechanism = mechanism(setting.rate, CLIP, setting.noise, CANARIES as u64 / 2);
        let codec = Compact::new(&self.schema);
        let rows = PrivateRows { table, persons, codec: &Codec::Compact(codec.clone()) };
        let mut work = Work::new(&self.model, 8);
        let mut scores = vec![0.0; CANARIES];
        let key = NoiseSource::from_os();
        for step in 0..u64::from(STEPS) {
            mechanism.release(&self.parameters, rows, Chance { streams: &key, step }, &mut work).unwrap();
            for (canary, score) in scores.iter_mut().enumerate() {
                let released = &work.gradient[embedding(&self.model, canary)];
                *score += released.iter().zip(&self.own).map(|(&x, own)| f64::from(x) * own).sum::<f64>();
            }
        }
        scores
    }

    /// The same with an ideal mechanism: the clipped canary, sampled, and Gaussian noise.
    fn ideal(&self, setting: Setting, rng: &mut ChaCha20Rng) -> usize {
        let inside: Vec<bool> = (0..CANARIES).map(|_| rng.random()).collect();
        let share = self.own.iter().map(|x| x * x).sum::<f64>().sqrt() / CLIP;
        let scores: Vec<f64> = inside
            .iter()
            .map(|inside| {
                let taken = (0..STEPS).filter(|_| rng.random_bool(setting.rate) && *inside).count() as f64;
                let noise: f64 = rng.sample(rand_distr::StandardNormal);
                share * taken + setting.noise * f64::from(STEPS).sqrt() * noise
            })
            .collect();
        right(&scores, &inside, setting.guesses)
    }
}

/// Where a canary's embedding lies: token 0 opens every row.
fn embedding(model: &Gpt2, canary: usize) -> std::ops::Range<usize> {
    let width = model.config().width;
    let start = model.layout().wte.range.start + (1 + canary) * width;
    start..start + width
}

/// The highest scores are guessed to be inside, the lowest outside.
fn right(scores: &[f64], inside: &[bool], guesses: usize) -> usize {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let top = order[..guesses].iter().filter(|i| inside[**i]).count();
    top + order[CANARIES - guesses..].iter().filter(|i| !inside[**i]).count()
}

/// The largest epsilon that so many right guesses refute. The term in delta, at most `2 CANARIES delta` here, is added to
/// the tail instead.
fn lower_bound(right: usize, told: usize) -> f64 {
    one_run_bound((right, told), CANARIES, 0.0, ALPHA)
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt())
}

fn claim(setting: Setting) -> f64 {
    let noise = DpEvent::gaussian(NoiseMultiplier::new(setting.noise).unwrap());
    let step = noise.poisson_sampled(SamplingRate::new(setting.rate).unwrap());
    epsilon_of(&step.self_composed(STEPS), Delta::new(DELTA).unwrap()).unwrap()
}

/// The mean of right guesses over some runs, and the largest lower bound of a single one.
fn audited(audit: &Audit, setting: Setting) -> (f64, f64) {
    let right: Vec<usize> = (0..RUNS).map(|_| audit.right_guesses(setting)).collect();
    let bounds = right.iter().map(|right| lower_bound(*right, 2 * setting.guesses));
    (right.iter().sum::<usize>() as f64 / RUNS as f64, bounds.fold(0.0, f64::max))
}

const RUNS: usize = 60;

/// `make audit` shows the figures.
#[test]
fn an_audit_finds_what_was_claimed_and_no_more() {
    let audit = Audit::new();
    let mut rng = ChaCha20Rng::seed_from_u64(17);
    let ideal: Vec<f64> = (0..1000).map(|_| audit.ideal(USUAL, &mut rng) as f64).collect();
    let (expected, deviation) = mean_and_deviation(&ideal);
    let of_mean = deviation / (RUNS as f64).sqrt();
    let told = 2 * USUAL.guesses;
    println!("claimed: epsilon {:.2} at delta {DELTA}", claim(USUAL));
    println!("an ideal mechanism: {expected:.1} of {told} guesses right, {deviation:.1} more or less in a run");
    for (each, unit) in [(1, "rows"), (3, "persons of three rows")] {
        let (right, bound) = audited(&audit, Setting { each, ..USUAL });
        println!("{unit}: {right:.1} right on average of {RUNS} runs; the largest lower bound is {bound:.2}");
        assert!(bound <= claim(USUAL), "{unit}: {bound} is above the claim");
        assert!((right - expected).abs() < 5.5 * of_mean, "{unit}: {right} right, {expected} +- {of_mean} expected");
    }
    let (halved, _) = audited(&audit, Setting { noise: 0.5 * USUAL.noise, ..USUAL });
    println!("half of the noise: {halved:.1} right");
    assert!(halved > expected + 8.0 * of_mean, "half of the noise is not told from all of it: {halved}");
    let control = Setting { rate: 1.0, noise: 0.2, guesses: 235, ..USUAL };
    let bound = lower_bound(audit.right_guesses(control), 2 * control.guesses);
    println!("hardly any noise: a lower bound of {bound:.2}");
    assert!(bound >= 3.0, "{bound}");
}
