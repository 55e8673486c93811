//! The rules of a schema together: checked, and kept in an order in which determined cells can be set.

use super::column::{Code, Column, Domain};
use super::grid::GridKind;
use super::rule::{RowRule, fine_enough};
use super::schema::{Schema, SchemaError};

/// Most rules of a schema.
pub const MAX_RULES: usize = 64;

/// Most combinations that a rule lists.
pub const MAX_COMBINATIONS: usize = 10_000;

/// The rules of a schema, as declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    list: Vec<RowRule>,
    /// Those that determine a cell, in the order in which they are settled: implications as declared, then sums, those first
    /// that others are made of.
    order: Vec<usize>,
}

impl Rules {
    /// The rules in the order of their declaration.
    #[must_use]
    pub fn list(&self) -> &[RowRule] {
        &self.list
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Checks rules over these columns, whose indices they hold to.
    pub(super) fn new(list: Vec<RowRule>, columns: &[Column]) -> Result<Self, SchemaError> {
        if list.len() > MAX_RULES {
            return Err(SchemaError::new("rules", format!("at most {MAX_RULES} rules can be declared")));
        }
        for (i, rule) in list.iter().enumerate() {
            if let Some(reason) = fault(rule, columns) {
                return Err(SchemaError::new(format!("rules[{i}]"), reason));
            }
        }
        let sums = sums(&list)?;
        let implied = (0..list.len()).filter(|&i| matches!(list[i], RowRule::Implies { .. }));
        let order = implied.chain(sums).collect();
        Ok(Self { list, order })
    }
}

impl Schema {
    /// The index of the first rule that a row of codes breaks.
    #[must_use]
    pub fn broken(&self, row: &[Code]) -> Option<usize> {
        self.rules().list.iter().position(|rule| !rule.holds(self.columns(), row))
    }

    /// Sets the cells of a row that the others determine by the rules: sums, and what is implied and has one value. Says
    /// whether the row keeps all rules then; if not, it is of no use.
    pub fn settle(&self, row: &mut [Code]) -> bool {
        let rules = self.rules();
        rules.order.iter().all(|&i| rules.list[i].settle(self.columns(), row)) && self.broken(row).is_none()
    }
}

/// What is wrong with a rule by itself.
fn fault(rule: &RowRule, columns: &[Column]) -> Option<&'static str> {
    let of = match rule {
        RowRule::Order { columns, .. } | RowRule::Combinations { columns, .. } => columns.clone(),
        RowRule::Sum { total, parts } => [parts.as_slice(), &[*total]].concat(),
        RowRule::Implies { when, then } => vec![when.column, then.column],
    };
    let mut distinct = of.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < of.len() {
        return Some("a column is named twice");
    }
    if distinct.last().is_some_and(|&last| last >= columns.len()) {
        return Some("no such column");
    }
    let family = |j: usize| match &columns[j].domain {
        Domain::Categories(_) => None,
        Domain::Grid(grid) => Some(matches!(grid.kind(), GridKind::Date | GridKind::Moment)),
    };
    let alike = of.iter().all(|&j| family(j).is_some() && family(j) == family(of[0]));
    match rule {
        RowRule::Order { columns, .. } if columns.len() < 2 => Some("needs at least two columns to compare"),
        RowRule::Order { .. } if !alike => Some("compares numbers with numbers, or times with times"),
        RowRule::Sum { parts, .. } if parts.len() < 2 => Some("needs at least two parts"),
        RowRule::Sum { total, .. } if !alike || family(*total) == Some(true) => Some("only numbers can be added up"),
        RowRule::Sum { total, parts } if !fine_enough(columns, *total, parts) => {
            Some("the total has coarser steps than its parts, so that sums would be rounded: give it a finer step")
        }
        RowRule::Combinations { columns, .. } if columns.len() < 2 => Some("needs at least two columns"),
        RowRule::Combinations { listed, .. } if listed.is_empty() => Some("needs at least one combination"),
        RowRule::Combinations { listed, .. } if listed.len() > MAX_COMBINATIONS => {
            Some("lists more than 10,000 combinations: list the forbidden ones instead, or declare the columns as one")
        }
        _ => None,
    }
}

/// The indices of the sums, those first that others are made of.
fn sums(list: &[RowRule]) -> Result<Vec<usize>, SchemaError> {
    let all: Vec<(usize, usize, &[usize])> = list
        .iter()
        .enumerate()
        .filter_map(|(i, rule)| match rule {
            RowRule::Sum { total, parts } => Some((i, *total, parts.as_slice())),
            _ => None,
        })
        .collect();
    let (mut left, mut order) = (all.clone(), Vec::new());
    for &(i, total, _) in &all {
        if all.iter().any(|&(other, same, _)| other < i && same == total) {
            return Err(SchemaError::new(format!("rules[{i}]"), "another rule says what this column is the sum of"));
        }
    }
    while let Some(first) = left.first().map(|sum| sum.0) {
        let open: Vec<usize> = left.iter().map(|sum| sum.1).collect();
        let ready = left.iter().position(|sum| !sum.2.iter().any(|part| open.contains(part)));
        let Some(ready) = ready else {
            return Err(SchemaError::new(format!("rules[{first}]"), "a sum is a part of itself, by way of other sums"));
        };
        order.push(left.remove(ready).0);
    }
    Ok(order)
}
