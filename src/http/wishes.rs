//! From what a client says of the rows that it wants to what the engine is given of each.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::json::word;
use super::media::TableFormat;
use super::problem::Problem;
use crate::engine::{Given, Style};
use crate::tabular::{Cells, MISSING, Schema};

/// Rows wanted of a finished job's model. They cost nothing: the model is released.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SampleRequest {
    /// How many rows; 1000 unless given. Not together with `given`, which has a row for each.
    #[schema(minimum = 1, maximum = 100_000)]
    pub rows: Option<usize>,
    /// Cells that every row shall have, by column. Text and numbers as in a CSV; `""` is a missing cell,
    /// null is any value but a missing one.
    #[schema(value_type = Object, example = json!({"sex": "Female"}))]
    pub conditions: Map<String, Value>,
    /// Shares of rows by value, by column: `{"income": {"<=50K": 0.5, ">50K": 0.5}}`. Several columns are
    /// dealt out independently of each other.
    #[schema(value_type = Object)]
    pub proportions: BTreeMap<String, BTreeMap<String, f64>>,
    /// Rows to be completed, each an object of the cells that are known, as in `conditions`. A column that
    /// is left out is written like any other; null is filled in.
    #[schema(value_type = Option<Vec<Object>>)]
    pub given: Option<Vec<Map<String, Value>>>,
    /// Where cells are given that the model writes after others: from how many candidates each row is
    /// drawn. More come closer to the model's own conditional distribution.
    #[schema(minimum = 1, maximum = 256, default = 16)]
    pub candidates: Option<usize>,
    /// 1 writes as the model says. Less makes typical rows more typical, and all marginals wrong.
    #[schema(exclusive_minimum = 0, maximum = 10, default = 1)]
    pub temperature: Option<f64>,
    /// Choose among the so many likeliest tokens alone.
    #[schema(minimum = 1)]
    pub top_k: Option<usize>,
    /// Choose among the likeliest tokens alone that come to this probability together.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// `csv`, `jsonl` or `parquet`.
    #[serde(deserialize_with = "word")]
    pub format: TableFormat,
    /// In a CSV, texts as they were declared, also those that spreadsheets would take for formulas.
    pub raw: bool,
}

/// Most rows of one request.
const MAX_ROWS: usize = 100_000;
/// Most candidates of a row.
const MAX_CANDIDATES: usize = 256;
/// Rows unless said.
const ROWS: usize = 1000;
/// Candidates unless said.
const CANDIDATES: usize = 16;

/// What is given of every row.
pub(super) struct Wishes {
    /// Kinds of rows: a cell for each column.
    kinds: Vec<Vec<Given>>,
    /// The kind of each row.
    rows: Vec<usize>,
    /// Candidates for rows that have to be weighed.
    pub candidates: usize,
    /// How tokens are drawn.
    pub style: Style,
}

impl Wishes {
    /// Reads a request against the schema. Proportions are dealt out with `rng`.
    pub fn new<R: Rng>(request: &SampleRequest, schema: &Schema, rng: &mut R) -> Result<Self, Problem> {
        let candidates = request.candidates.unwrap_or(CANDIDATES);
        if !(1..=MAX_CANDIDATES).contains(&candidates) {
            return Err(Problem::invalid("candidates", format!("candidates is a number from 1 to {MAX_CANDIDATES}")));
        }
        let cells = Cells::new(schema);
        let common = read(&cells, schema, "conditions", &request.conditions)?;
        let (mut kinds, mut rows) = match &request.given {
            Some(given) => {
                check_given(request, given.len())?;
                let kinds = given.iter().enumerate().map(|(i, row)| {
                    let own = read(&cells, schema, &format!("given[{i}]"), row)?;
                    Ok(common.iter().zip(own).map(|(&all, one)| if one == Given::Free { all } else { one }).collect())
                });
                (kinds.collect::<Result<Vec<Vec<Given>>, Problem>>()?, (0..given.len()).collect())
            }
            None => (vec![common], vec![0; count(request.rows)?]),
        };
        for (name, shares) in &request.proportions {
            let at = format!("proportions.{name}");
            let column = known(&cells, &at, name)?;
            if kinds.iter().any(|kind| kind[column] != Given::Free) {
                return Err(Problem::invalid(&at, "a column has proportions or given cells, not both"));
            }
            deal(&cells, (column, &at, shares), (&mut kinds, &mut rows), rng)?;
        }
        Ok(Self { kinds, rows, candidates, style: style(request)? })
    }

    /// The same wishes with other codes for cells.
    pub fn mapped(&self, code: impl Fn(usize, u32) -> u32) -> Self {
        let cell = |(column, &given): (usize, &Given)| match given {
            Given::Value(value) => Given::Value(code(column, value)),
            other => other,
        };
        let kinds = self.kinds.iter().map(|kind| kind.iter().enumerate().map(cell).collect()).collect();
        Self { kinds, rows: self.rows.clone(), candidates: self.candidates, style: self.style }
    }

    /// Whether nothing is wanted of any row.
    pub fn are_free(&self) -> bool {
        self.kinds.iter().flatten().all(|given| *given == Given::Free)
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// What is given of row `i`.
    pub fn of(&self, i: usize) -> &[Given] {
        &self.kinds[self.rows[i]]
    }

    /// Kinds of rows, each with how many rows are of it.
    pub fn kinds(&self) -> impl Iterator<Item = (&[Given], usize)> {
        let mut counts = vec![0; self.kinds.len()];
        self.rows.iter().for_each(|&kind| counts[kind] += 1);
        self.kinds.iter().map(Vec::as_slice).zip(counts)
    }
}

fn style(request: &SampleRequest) -> Result<Style, Problem> {
    let SampleRequest { temperature, top_k, top_p, .. } = *request;
    let temperature = temperature.unwrap_or(1.0);
    for (fits, at, detail) in [
        (temperature > 0.0 && temperature <= 10.0, "temperature", "temperature is a number above 0, at most 10"),
        (top_k.is_none_or(|k| k > 0), "top_k", "top_k is a number of at least 1"),
        (top_p.is_none_or(|p| p > 0.0 && p <= 1.0), "top_p", "top_p is a number above 0, at most 1"),
    ] {
        if !fits {
            return Err(Problem::invalid(at, detail));
        }
    }
    Ok(Style { temperature, top_k, top_p })
}

fn count(rows: Option<usize>) -> Result<usize, Problem> {
    let rows = rows.unwrap_or(ROWS);
    let refusal = || Problem::invalid("rows", format!("rows is a number from 1 to {MAX_ROWS}"));
    if (1..=MAX_ROWS).contains(&rows) { Ok(rows) } else { Err(refusal()) }
}

fn check_given(request: &SampleRequest, given: usize) -> Result<(), Problem> {
    if request.rows.is_some() {
        return Err(Problem::invalid("rows", "say rows, or give the rows to be completed, not both"));
    }
    let fits = (1..=MAX_ROWS).contains(&given);
    if fits { Ok(()) } else { Err(Problem::invalid("given", format!("give 1 to {MAX_ROWS} rows"))) }
}

fn known(cells: &Cells, at: &str, name: &str) -> Result<usize, Problem> {
    cells.column(name).ok_or_else(|| Problem::invalid(at, "the dataset has no such column"))
}

/// Cells of an object, one for each column. Values are never repeated in a refusal: rows to be completed
/// may be private.
fn read(cells: &Cells, schema: &Schema, at: &str, row: &Map<String, Value>) -> Result<Vec<Given>, Problem> {
    let mut given = vec![Given::Free; schema.width()];
    for (name, value) in row {
        let at = format!("{at}.{name}");
        let column = known(cells, &at, name)?;
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err(Problem::invalid(&at, "a cell is text, a number or null"));
            }
        };
        given[column] = match text {
            None => Given::Present,
            Some(text) => Given::Value(code(cells, column, &at, &text)?),
        };
    }
    Ok(given)
}

fn code(cells: &Cells, column: usize, at: &str, text: &str) -> Result<u32, Problem> {
    cells.code(column, text).map_err(|reason| Problem::invalid(at, format!("the cell {reason}")))
}

/// Deals the values of a column out among the rows, in their proportions as exactly as whole rows allow.
fn deal<R: Rng>(
    cells: &Cells,
    (column, at, shares): (usize, &str, &BTreeMap<String, f64>),
    (kinds, rows): (&mut Vec<Vec<Given>>, &mut [usize]),
    rng: &mut R,
) -> Result<(), Problem> {
    let total: f64 = shares.values().sum();
    let fit = shares.values().all(|share| share.is_finite() && *share >= 0.0) && total.is_finite() && total > 0.0;
    if !fit {
        return Err(Problem::invalid(at, "proportions are numbers of at least 0 that are not all 0"));
    }
    let mut values: Vec<u32> = Vec::with_capacity(rows.len());
    let mut passed = 0.0;
    for (text, share) in shares {
        passed += share / total;
        // Up to the row where the running sum ends: every share is met to within one row.
        let end = (passed * rows.len() as f64).round() as usize;
        let value = code(cells, column, at, text)?;
        values.resize(end.clamp(values.len(), rows.len()), value);
    }
    let last = values.last().copied().unwrap_or(MISSING);
    values.resize(rows.len(), last);
    values.shuffle(rng);
    let mut renumbered: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    let mut dealt = Vec::new();
    for (kind, value) in rows.iter_mut().zip(values) {
        *kind = *renumbered.entry((*kind, value)).or_insert_with(|| {
            let mut cells = kinds[*kind].clone();
            cells[column] = Given::Value(value);
            dealt.push(cells);
            dealt.len() - 1
        });
    }
    *kinds = dealt;
    Ok(())
}
