//! Moments, as the database keeps them and as clients write them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::problem::Problem;

/// The moment so many microseconds after 1970 began.
pub(super) fn of_micros(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The moment that a client wrote at this place; `example` is one that would make sense there.
pub(super) fn written(text: &str, (at, example): (&str, &str)) -> Result<OffsetDateTime, Problem> {
    let refused = |_| Problem::invalid(at, format!("a moment is written as in RFC 3339, for instance {example}"));
    OffsetDateTime::parse(text, &Rfc3339).map_err(refused)
}
