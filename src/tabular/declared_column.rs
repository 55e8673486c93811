//! One column of a declaration in JSON, to and from a [`Column`].

use serde_json::{Map, Value, json};

use super::column::{Column, Domain};
use super::decimal::Decimal;
use super::fields::{Fields, kind};
use super::grid::{Grid, GridKind, MAX_DIGITS};
use super::moment;
use super::schema::{SchemaError, place};

/// A column as it was declared.
pub(super) struct Declared {
    pub(super) column: Column,
    /// Spellings of a missing cell besides the empty one.
    pub(super) missing: Vec<String>,
    /// Keys that mean nothing to its type.
    pub(super) ignored: Vec<String>,
}

/// Reads column `i` of a declaration.
pub(super) fn read(i: usize, value: &Value) -> Result<Declared, SchemaError> {
    let mut fields = Fields::of(value, place(i, ""))?;
    let name = fields.text("name")?.ok_or_else(|| fields.error("needs a name, as in the header of the table"))?;
    fields.rename(place(i, name));
    let nullable = fields.flag("nullable")?;
    let domain = match fields.text("type")? {
        Some("categorical") => categories(&mut fields)?,
        Some("boolean") => boolean(),
        Some("integer") => Domain::Grid(integer(&mut fields)?),
        Some("number") => Domain::Grid(number(&mut fields)?),
        Some("numeric") if fields.flag("integer")? => Domain::Grid(integer(&mut fields)?),
        Some("numeric") => Domain::Grid(number(&mut fields)?),
        Some("datetime") => Domain::Grid(datetime(&mut fields)?),
        _ => return Err(fields.error("type must be categorical, boolean, integer, number or datetime")),
    };
    let missing = spellings(&mut fields)?;
    let ignored = fields.left().map(str::to_owned).collect();
    Ok(Declared { column: Column { name: name.to_owned(), domain, nullable }, missing, ignored })
}

/// Truth values, the false one first.
pub(super) fn boolean() -> Domain {
    Domain::Categories(vec!["false".into(), "true".into()])
}

/// A list of spellings of missing cells, as a column or a table has it.
pub(super) fn spellings(fields: &mut Fields<'_>) -> Result<Vec<String>, SchemaError> {
    let list = fields.list("missing")?.unwrap_or_default();
    let names: Result<Vec<String>, String> = list.iter().map(category).collect();
    names.map_err(|reason| fields.error(format!("missing: {reason}")))
}

/// The canonical JSON of a column, with spellings of missing cells besides the empty one.
pub(super) fn write(column: &Column, missing: &[String]) -> Value {
    let mut map = Map::new();
    map.insert("name".into(), json!(column.name));
    match &column.domain {
        Domain::Categories(_) if column.is_boolean() => {
            map.insert("type".into(), json!("boolean"));
        }
        Domain::Categories(names) => {
            map.insert("type".into(), json!("categorical"));
            map.insert("categories".into(), json!(names));
        }
        Domain::Grid(grid) => write_grid(grid, &mut map),
    }
    if column.nullable {
        map.insert("nullable".into(), json!(true));
    }
    if !missing.is_empty() {
        map.insert("missing".into(), json!(missing));
    }
    Value::Object(map)
}

/// A category as text; numbers and booleans count as their JSON text.
pub(super) fn category(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Err("null is not a category: declare nullable instead".into()),
        other => Err(format!("a category must be a string, not {}", kind(other))),
    }
}

fn categories(fields: &mut Fields<'_>) -> Result<Domain, SchemaError> {
    let list = fields.list("categories")?.filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| {
        fields.error(
            "needs categories, a list with every value that may occur, from public knowledge and not from the table",
        )
    })?;
    let names: Result<Vec<String>, String> = list.iter().map(category).collect();
    names.map(Domain::Categories).map_err(|reason| fields.error(reason))
}

fn integer(fields: &mut Fields<'_>) -> Result<Grid, SchemaError> {
    let (min, max) = (required(fields, "min")?, required(fields, "max")?);
    let step = fields.number("step")?.unwrap_or(Decimal { mantissa: 1, scale: 0 });
    let mut whole = [0; 3];
    for (slot, (key, value)) in whole.iter_mut().zip([("min", min), ("max", max), ("step", step)]) {
        let units = value.shortest().units(0);
        *slot = units.ok_or_else(|| fields.error(format!("{key} must be a whole number for an integer column")))?;
    }
    grid(fields, GridKind::Integer, whole, 0)
}

fn number(fields: &mut Fields<'_>) -> Result<Grid, SchemaError> {
    let (min, max) = (required(fields, "min")?.shortest(), required(fields, "max")?.shortest());
    let step = match fields.number("step")? {
        Some(step) => step.shortest(),
        None => default_step(min, max).ok_or_else(|| fields.error("the range is too wide or too fine: give a step"))?,
    };
    let digits = min.scale.max(max.scale).max(step.scale);
    if digits > MAX_DIGITS {
        let reason = format!("min, max and step may have {MAX_DIGITS} digits after the point: round them or rescale");
        return Err(fields.error(reason));
    }
    match (min.units(digits), max.units(digits), step.units(digits)) {
        (Some(first), Some(last), Some(step)) => grid(fields, GridKind::Decimal, [first, last, step], digits),
        _ => Err(fields.error("the range is too wide for so fine a step: declare a larger step")),
    }
}

/// The power of ten at or below a millionth of the range; 1 for a range of one value. Fine enough
/// to keep six digits of every value, and coarse enough for a grid of at most ten million.
fn default_step(min: Decimal, max: Decimal) -> Option<Decimal> {
    let digits = min.scale.max(max.scale);
    let range = max.units(digits)?.checked_sub(min.units(digits)?)?;
    let exponent = match range.checked_ilog10() {
        Some(power) => power as i32 - digits as i32 - 6,
        None => 0,
    };
    match u32::try_from(exponent) {
        Ok(power) => Some(Decimal { mantissa: 10i64.checked_pow(power)?, scale: 0 }),
        Err(_) => Some(Decimal { mantissa: 1, scale: exponent.unsigned_abs() }),
    }
}

fn datetime(fields: &mut Fields<'_>) -> Result<Grid, SchemaError> {
    let (first, _) = time(fields, "min")?;
    let (mut last, last_is_day) = time(fields, "max")?;
    let step = match fields.text("step")? {
        None => moment::DAY,
        Some(text) => duration(text).ok_or_else(|| fields.error("step must be a duration such as 1d, 1h, 1m or 1s"))?,
    };
    let days = [first, last, step].iter().all(|seconds| seconds % moment::DAY == 0);
    if !days && last_is_day {
        // A last day includes its hours.
        last += moment::DAY - 1;
    }
    grid(fields, if days { GridKind::Date } else { GridKind::Moment }, [first, last, step], 0)
}

fn time(fields: &mut Fields<'_>, key: &'static str) -> Result<(i64, bool), SchemaError> {
    let text = fields.text(key)?.ok_or_else(|| missing(fields, key))?;
    let seconds = moment::seconds(text);
    let seconds =
        seconds.ok_or_else(|| fields.error(format!("{key} must be a date, 2026-11-23 or 2026-11-23T15:56:00Z")))?;
    Ok((seconds, moment::is_day(text)))
}

/// Seconds of `1d`, `6h`, `15m`, `30s`; zero is let through for the common message about steps.
fn duration(text: &str) -> Option<i64> {
    let unit = match text.as_bytes().last()? {
        b'd' => moment::DAY,
        b'h' => 3600,
        b'm' => 60,
        b's' => 1,
        _ => return None,
    };
    let count = text.get(..text.len() - 1).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    count.parse::<i64>().ok()?.checked_mul(unit)
}

fn required(fields: &mut Fields<'_>, key: &'static str) -> Result<Decimal, SchemaError> {
    fields.number(key)?.ok_or_else(|| missing(fields, key))
}

fn missing(fields: &Fields<'_>, key: &str) -> SchemaError {
    let end = if key == "min" { "smallest" } else { "largest" };
    fields.error(format!("needs {key}, the {end} value that may occur, from public knowledge and not from the table"))
}

/// Checks `[first, last, step]` in units of `10^-digits`, in words.
fn grid(fields: &Fields<'_>, kind: GridKind, [first, last, step]: [i64; 3], digits: u32) -> Result<Grid, SchemaError> {
    if first > last {
        return Err(fields.error("min is larger than max: swap them"));
    }
    if step <= 0 {
        return Err(fields.error("step must be larger than zero"));
    }
    if last.abs_diff(first) / step.unsigned_abs() >= u64::from(u32::MAX) - 1 {
        return Err(fields.error("more than 4294967294 values: declare a larger step or a narrower range"));
    }
    let beyond =
        "min, max and step must lie within the years 0 to 9999, numbers within 15 digits: declare another unit";
    Grid::new(kind, first, last, step, digits).ok_or_else(|| fields.error(beyond))
}

fn write_grid(grid: &Grid, map: &mut Map<String, Value>) {
    let name = match grid.kind() {
        GridKind::Integer => "integer",
        GridKind::Decimal => "number",
        GridKind::Date | GridKind::Moment => "datetime",
    };
    map.insert("type".into(), json!(name));
    let (first, last, step) = (grid.first(), grid.last(), grid.step());
    if name != "datetime" {
        for (key, value) in [("min", first), ("max", last), ("step", step)] {
            map.insert(key.into(), json_number(value));
        }
        return;
    }
    for (key, value) in [("min", first), ("max", last)] {
        let mut text = String::new();
        moment::write(value.mantissa, grid.kind() == GridKind::Date, &mut text);
        map.insert(key.into(), json!(text));
    }
    let (unit, length) = [("d", moment::DAY), ("h", 3600), ("m", 60), ("s", 1)]
        .into_iter()
        .find(|(_, length)| step.mantissa % length == 0)
        .unwrap_or(("s", 1));
    map.insert("step".into(), json!(format!("{}{unit}", step.mantissa / length)));
}

/// A number whose shortest text is that of the decimal; whole numbers have no point.
fn json_number(value: Decimal) -> Value {
    let value = value.shortest();
    // At most 15 digits, so the nearest double prints as the decimal it came from.
    if value.scale == 0 { json!(value.mantissa) } else { json!(value.mantissa as f64 / 10f64.powi(value.scale as i32)) }
}
