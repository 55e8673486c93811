//! What one column looks like, from its cells.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::decimal::Decimal;
use super::moment;

/// Different texts that are listed as categories at most.
const MOST_CATEGORIES: usize = 100;
/// Bytes of a text that may be a category.
const LONGEST_CATEGORY: usize = 200;
/// Values of a grid that is proposed, at most.
const FINEST: f64 = 1e7;
/// Digits after the point that are looked at.
const MOST_DIGITS: u32 = 6;
/// A category that stands in fewer rows is worth a word.
const RARE: u64 = 10;

/// What is known of a column so far.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    missing: u64,
    /// How often each text occurs; none once there are too many.
    texts: Option<BTreeMap<String, u64>>,
    /// Whether every cell was a whole number, a number, a date.
    whole: bool,
    number: bool,
    date: bool,
    /// Ends of the numbers, and the most digits behind their points.
    ends: (f64, f64),
    digits: u32,
    /// Ends of the moments in seconds, and the largest unit (a day, a minute, a second) of which all are multiples.
    moments: (i64, i64),
    unit: i64,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            missing: 0,
            texts: Some(BTreeMap::new()),
            whole: true,
            number: true,
            date: true,
            ends: (f64::INFINITY, f64::NEG_INFINITY),
            digits: 0,
            moments: (i64::MAX, i64::MIN),
            unit: moment::DAY,
        }
    }
}

impl Guess {
    /// Takes note of a cell, blanks around it removed.
    pub fn look(&mut self, cell: &str) {
        if cell.is_empty() {
            self.missing += 1;
            return;
        }
        if let Some(texts) = &mut self.texts {
            *texts.entry(cell.to_owned()).or_default() += 1;
            if texts.len() > MOST_CATEGORIES || cell.len() > LONGEST_CATEGORY {
                self.texts = None;
            }
        }
        if self.number {
            self.look_for_number(cell);
        }
        if self.date {
            self.look_for_moment(cell);
        }
    }

    fn look_for_number(&mut self, cell: &str) {
        let digits = cell.trim_start_matches(['-', '+']);
        // Postal codes and the like: what begins with a zero is a name that is made of digits.
        let is_name = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
        let exact = Decimal::read(cell.as_bytes());
        let number = match exact {
            _ if is_name => None,
            Some(_) => cell.parse::<f64>().ok(),
            None => cell.parse::<f64>().ok().filter(|x| x.is_finite() && cell.contains(['e', 'E'])),
        };
        let Some(number) = number else {
            self.number = false;
            return;
        };
        self.whole &= exact.is_some_and(|exact| exact.scale == 0);
        self.digits = self.digits.max(exact.map_or(MOST_DIGITS, |exact| exact.shortest().scale)).min(MOST_DIGITS);
        self.ends = (self.ends.0.min(number), self.ends.1.max(number));
    }

    fn look_for_moment(&mut self, cell: &str) {
        let Some(seconds) = moment::seconds(cell) else {
            self.date = false;
            return;
        };
        for unit in [moment::DAY, 60, 1] {
            if self.unit >= unit && seconds % unit == 0 {
                self.unit = unit;
                break;
            }
        }
        if !moment::is_day(cell) {
            self.unit = self.unit.min(60);
        }
        self.moments = (self.moments.0.min(seconds), self.moments.1.max(seconds));
    }

    /// The column as it would be declared, without its name, and what its custodian should know.
    pub fn column(self, rows: u64) -> (Map<String, Value>, Vec<String>) {
        let (seen, few) = (rows - self.missing, self.texts.as_ref().is_some_and(|texts| texts.len() <= 2));
        let (mut column, mut notes) = (Map::new(), Vec::new());
        if seen == 0 {
            notes.push("no cell has a value: remove the column from the table, or list its values".into());
            self.categories(&mut column, &mut notes);
        } else if self.date {
            self.datetime(&mut column);
        } else if self.number && !(self.whole && few) {
            self.numbers(&mut column, &mut notes);
        } else {
            self.categories(&mut column, &mut notes);
        }
        if self.missing > 0 {
            column.insert("nullable".into(), json!(true));
        }
        (column, notes)
    }

    fn numbers(&self, column: &mut Map<String, Value>, notes: &mut Vec<String>) {
        let (least, most) = self.ends;
        let power = 10f64.powi(self.digits as i32);
        // A tenth of the range at the most, or of the value where all are one.
        let range = if most > least { most - least } else { most.abs().max(1.0) };
        let round = 10f64.powf(range.log10().floor()).max(1.0 / power);
        // What is a multiple already stays where it is, in spite of the last digits of a quotient.
        let ends = ((least / round + 1e-9).floor() * round, (most / round - 1e-9).ceil() * round);
        let written = |x: f64| number(x, if self.whole { 0 } else { self.digits });
        column.insert("type".into(), json!(if self.whole { "integer" } else { "number" }));
        column.insert("min".into(), written(ends.0));
        column.insert("max".into(), written(ends.1));
        if !self.whole && (ends.1 - ends.0) * power <= FINEST {
            column.insert("step".into(), written(1.0 / power));
        }
        if self.whole && ends.1 - ends.0 > FINEST {
            column.insert("step".into(), written(10f64.powf(((ends.1 - ends.0) / FINEST).log10().ceil())));
            let note = "the numbers are so far apart that they are rounded to a step. If they say whose row it is, choose \
                        the column as the person's; if they are names of something else, remove it from the table";
            notes.push(note.into());
        }
    }

    fn datetime(&self, column: &mut Map<String, Value>) {
        let year = |seconds: i64| {
            let mut text = String::new();
            moment::write(seconds, true, &mut text);
            text.get(..4).unwrap_or("2000").to_owned()
        };
        column.insert("type".into(), json!("datetime"));
        column.insert("min".into(), json!(format!("{}-01-01", year(self.moments.0))));
        column.insert("max".into(), json!(format!("{}-12-31", year(self.moments.1))));
        column.insert(
            "step".into(),
            json!(match self.unit {
                moment::DAY => "1d",
                60 => "1m",
                _ => "1s",
            }),
        );
    }

    fn categories(&self, column: &mut Map<String, Value>, notes: &mut Vec<String>) {
        column.insert("type".into(), json!("categorical"));
        let Some(texts) = &self.texts else {
            let note = "more different texts than a list of categories takes: names, identifiers or free text. If they say \
                        whose row it is, choose the column as the person's; else group them, or remove it from the table";
            notes.push(note.into());
            column.insert("categories".into(), json!([]));
            return;
        };
        let rare = texts.values().filter(|count| **count < RARE).count();
        if rare > 0 {
            notes.push(format!(
                "{rare} of these stand in fewer than {RARE} rows: keep one only if it is public that it may occur"
            ));
        }
        column.insert("categories".into(), json!(texts.keys().collect::<Vec<_>>()));
    }
}

/// A number with so many digits behind the point, as JSON has it.
fn number(x: f64, digits: u32) -> Value {
    // Minus zero is a zero.
    let text = format!("{:.*}", digits as usize, if x == 0.0 { 0.0 } else { x });
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    serde_json::from_str(text).unwrap_or_default()
}
