//! Writing rows token by token: the table is distributed as the training pass says, also where cells are
//! given, in one codec as in the other.

use dp2stage::engine::{ADAPTER, Given, Halt, LORA, Order, Progress, Stop, Style, Writer, generate};
use dp2stage::model::{Batch, Config, Gpt2, Heads, Lanes, NONE, Rows, Trained};
use dp2stage::tabular::{Codec, Compact, Domain, MISSING, Schema, Table, Text};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::{Constant, categories};
use crate::coding::words::{END, VOCABULARY, words};

struct Never;

impl Stop for Never {
    fn pulse(&self, _: Progress) -> Result<(), Halt> {
        Ok(())
    }
}

/// Three columns; values of the second go on from each other.
fn schema() -> Schema {
    let mut middle = categories("a", 2, true);
    middle.domain = Domain::Categories(vec!["Some".into(), "Some-college".into()]);
    Schema::new(vec![categories("x", 3, false), middle, categories("y", 2, true)], None, None).unwrap()
}

/// A codec of the schema with a model whose columns hang together.
struct Model {
    schema: Schema,
    codec: Codec,
    shape: Gpt2,
    weights: Vec<f32>,
}

/// All rows of a table, as a batch.
struct All<'a>(&'a Codec, &'a Table);

impl Rows for All<'_> {
    fn length(&self, i: usize) -> usize {
        self.0.length(self.1.row(i))
    }

    fn write(&self, i: usize, tokens: &mut [u32], choices: &mut [u32]) {
        self.0.write(self.1.row(i), NONE, tokens, choices);
    }
}

impl Model {
    fn new(text: bool, trained: Trained) -> Self {
        let schema = schema();
        let (codec, heads, vocabulary) = if text {
            let text = Text::new(&schema, &words, END, VOCABULARY).unwrap();
            let heads = Heads::Sets { sets: text.sets().to_vec(), share: 1.0 / 3.0 };
            (Codec::Text(text), heads, VOCABULARY)
        } else {
            let compact = Compact::new(&schema);
            let (heads, vocabulary) = (Heads::places(compact.spans()), compact.vocabulary() as usize);
            (Codec::Compact(compact), heads, vocabulary)
        };
        let positions = codec.longest();
        let config = Config { vocabulary, positions, width: 8, layers: 2, heads: 2, opening: 0 };
        let shape = Gpt2::new(config, heads, positions).unwrap().training(trained).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let weights = (0..shape.layout().len()).map(|_| rng.random_range(-0.9..0.9)).collect();
        Self { schema, codec, shape, weights }
    }

    /// Every row there can be, and how likely the training pass thinks it is.
    fn joint(&self) -> Vec<(Vec<u32>, f64)> {
        let (a, y) = ([0, 1, MISSING], [0, 1, MISSING]);
        let rows: Vec<Vec<u32>> =
            (0..3).flat_map(|x| a.into_iter().flat_map(move |a| y.map(|y| vec![x, a, y]))).collect();
        let table = Table::new(3, rows.concat());
        let source = All(&self.codec, &table);
        let batch = Batch::of_ragged_rows(rows.len(), &source);
        let losses = Lanes::new(&self.shape, 1).losses(&self.shape, &self.weights, batch);
        let joint: Vec<(Vec<u32>, f64)> =
            rows.into_iter().zip(losses).map(|(row, loss)| (row, (-3.0 * f64::from(loss)).exp())).collect();
        assert!((joint.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-4, "all rows together are certain");
        joint
    }

    /// Checks the shares of rows with some cells given against those of the joint distribution among the
    /// rows that `meets`, to five deviations and `bias` besides.
    fn check(&self, given: &[Given], meets: impl Fn(&[u32]) -> bool, (candidates, bias): (usize, f64)) {
        let joint: Vec<(Vec<u32>, f64)> = self.joint().into_iter().filter(|(row, _)| meets(row)).collect();
        let all: f64 = joint.iter().map(|(_, p)| p).sum();
        let n = 6000;
        let order = Order { rows: n, given: &|_| given, candidates, style: Style::default(), round: 0 };
        let writer = Writer { model: &self.shape, codec: &self.codec, weights: &self.weights };
        let table = generate(writer, &self.schema, &order, (&Constant(3), &Never)).unwrap();
        assert_eq!(table.rows(), n);
        assert!(table.iter().all(&meets));
        let n = n as f64;
        for (row, p) in joint {
            let (share, count) = (p / all, table.iter().filter(|other| *other == row).count() as f64);
            let deviation = (n * share * (1.0 - share)).sqrt();
            let due = n * share;
            assert!((count - due).abs() < 5.0 * deviation + bias * n + 1.0, "{row:?}: {count} where {due:.1} were due");
        }
    }
}

#[test]
fn rows_appear_as_often_as_the_loss_says() {
    for (text, trained) in [(false, Trained::Full), (true, Trained::Full), (true, ADAPTER), (true, LORA)] {
        Model::new(text, trained).check(&[], |_| true, (1, 0.0));
    }
}

#[test]
fn given_cells_at_the_beginning_need_no_candidates() {
    for text in [false, true] {
        let given = [Given::Value(2), Given::Value(0), Given::Free];
        Model::new(text, Trained::Full).check(&given, |row| row[0] == 2 && row[1] == 0, (64, 0.0));
    }
}

#[test]
fn what_is_drawn_before_a_given_cell_is_drawn_as_if_it_knew() {
    for text in [false, true] {
        let model = Model::new(text, Trained::Full);
        model.check(&[Given::Free, Given::Free, Given::Value(1)], |row| row[2] == 1, (60, 0.01));
        model.check(&[Given::Free, Given::Value(MISSING), Given::Free], |row| row[1] == MISSING, (60, 0.01));
        model.check(&[Given::Free, Given::Present, Given::Present], |row| !row.contains(&MISSING), (60, 0.01));
        // One candidate cannot: what is checked here can fail.
        let given = [Given::Free, Given::Free, Given::Value(1)];
        let blind = std::panic::catch_unwind(|| model.check(&given, |row| row[2] == 1, (1, 0.01)));
        assert!(blind.is_err());
    }
}

/// Whatever the weights, rows are valid and what is given is in them.
#[test]
fn rows_are_valid_whatever_the_weights() {
    for text in [false, true] {
        let mut model = Model::new(text, Trained::Full);
        for scale in [0.0, 100.0, 1e30, f32::NAN] {
            model.weights.iter_mut().for_each(|w| *w *= scale);
            let given = [Given::Free, Given::Present, Given::Value(MISSING)];
            let order = Order { rows: 200, given: &|_| &given, candidates: 3, style: Style::default(), round: 0 };
            let writer = Writer { model: &model.shape, codec: &model.codec, weights: &model.weights };
            let table = generate(writer, &model.schema, &order, (&Constant(3), &Never)).unwrap();
            for row in table.iter() {
                assert!(row[0] < 3 && row[1] < 2 && row[2] == MISSING, "{row:?}");
            }
        }
    }
}

/// The table does not depend on how many threads write it.
#[test]
fn rows_are_the_same_on_any_number_of_threads() {
    let model = Model::new(true, Trained::Full);
    let write = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let writer = Writer { model: &model.shape, codec: &model.codec, weights: &model.weights };
        let table = pool.install(|| generate(writer, &model.schema, &Order::free(1500), (&Constant(3), &Never)));
        table.unwrap().iter().flatten().copied().collect::<Vec<u32>>()
    };
    assert_eq!(write(1), write(2));
}

/// A temperature raises probabilities to a power, the likeliest ones alone can be asked for.
#[test]
fn styles_shape_what_is_drawn() {
    let model = Model::new(false, Trained::Full);
    let joint = model.joint();
    let first = |x: u32| joint.iter().filter(|(row, _)| row[0] == x).map(|(_, p)| p).sum::<f64>();
    let shares: Vec<f64> = (0..3).map(first).collect();
    let counted = |style: Style| {
        let writer = Writer { model: &model.shape, codec: &model.codec, weights: &model.weights };
        let order = Order { style, ..Order::free(4000) };
        let table = generate(writer, &model.schema, &order, (&Constant(3), &Never)).unwrap();
        [0, 1, 2].map(|x| table.column(0).filter(|&code| code == x).count() as f64 / 4000.0)
    };
    let cold = counted(Style { temperature: 0.5, ..Style::default() });
    let squares: f64 = shares.iter().map(|p| p * p).sum();
    for (share, p) in cold.iter().zip(&shares) {
        let due = p * p / squares;
        assert!((share - due).abs() < 5.0 * (due * (1.0 - due) / 4000.0).sqrt() + 1e-3, "{share} where {due} is due");
    }
    let likeliest = (0..3).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap();
    assert_eq!(counted(Style { top_k: Some(1), ..Style::default() })[likeliest], 1.0);
    assert_eq!(counted(Style { top_p: Some(1e-6), ..Style::default() })[likeliest], 1.0);
    let both = counted(Style { top_k: Some(2), top_p: Some(1.0), ..Style::default() });
    assert_eq!(both.iter().filter(|share| **share > 0.0).count(), 2);
}
