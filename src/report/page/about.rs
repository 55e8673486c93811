//! What a page says about the job itself: all of it is public.

use serde_json::Value;

use crate::privacy::DpEvent;

/// The job that a page is about.
#[derive(Clone, Debug)]
pub struct About {
    /// The name of its dataset.
    pub dataset: String,
    /// Its id.
    pub job: String,
    /// When it ended, RFC 3339.
    pub finished: String,
    /// The epsilon of the job by itself; 0 where nothing private was done.
    pub epsilon: f64,
    /// Its delta.
    pub delta: f64,
    /// Whether the dataset is public, so that nothing was spent.
    pub public: bool,
    /// Rows at most of one person, where persons are the unit of privacy; none where each row is.
    pub rows_of_person: Option<u32>,
    /// Everything private that was done, as it was charged.
    pub event: Option<DpEvent>,
    /// The request with its defaults.
    pub request: Value,
}

impl About {
    /// What one budget unit is, in words.
    pub(super) fn unit(&self) -> String {
        match self.rows_of_person {
            Some(1) => "one person, with at most one row".into(),
            Some(rows) => format!("one person, with at most {rows} rows"),
            None => "one row".into(),
        }
    }

    /// The highest probability with which somebody who knows everything but whether one unit is in the table, and
    /// holds that for an even chance, can guess it right from all that the job released: (1 + a) / 2 with the advantage
    /// a = (e^epsilon - 1 + 2 delta) / (e^epsilon + 1) (Kairouz, Oh and Viswanath 2015, theorem 2.1).
    pub(super) fn guess(&self) -> f64 {
        let grown = self.epsilon.exp();
        if !grown.is_finite() {
            return 1.0;
        }
        (0.5 + 0.5 * (grown - 1.0 + 2.0 * self.delta) / (grown + 1.0)).min(1.0)
    }

    /// Stage 1, stage 2, model and generator as asked for, with a slash between them.
    #[must_use]
    pub fn variant(&self) -> String {
        let word = |at: &str| self.request["method"][at].as_str().unwrap_or("default").to_owned();
        format!("{} / {} / {} / {}", word("stage1"), word("stage2"), word("model"), word("generator"))
    }
}
