//! Days and moments as seconds since 1970-01-01 UTC, read and written by hand: the general parsers
//! are several times slower, and a cell is read for every row of an upload.

use std::fmt::Write;

use time::{Date, Month, OffsetDateTime};

/// The first second that can be written, 0000-01-01.
pub const EARLIEST: i64 = -62_167_219_200;

/// The last second that can be written, 9999-12-31T23:59:59Z.
pub const LATEST: i64 = 253_402_300_799;

/// Seconds in a day.
pub const DAY: i64 = 86_400;

const JULIAN_DAY_OF_1970: i64 = 2_440_588;

/// Seconds since 1970 of `2026-11-23`, or of `2026-11-23T15:56:00Z`, with a blank for the `T`,
/// without seconds, with a fraction of a second (which is dropped), with an offset, or without a
/// zone (UTC).
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    read(text.as_bytes())
}

/// As [`seconds`], on bytes.
#[must_use]
pub fn read(text: &[u8]) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    if day[4] != b'-' || day[7] != b'-' {
        return None;
    }
    let month = Month::try_from(u8::try_from(digits(&day[5..7])?).ok()?).ok()?;
    let date = Date::from_calendar_date(digits(&day[..4])?, month, u8::try_from(digits(&day[8..])?).ok()?).ok()?;
    let midnight = (i64::from(date.to_julian_day()) - JULIAN_DAY_OF_1970) * DAY;
    match rest {
        [] => Some(midnight),
        [b'T' | b't' | b' ', clock @ ..] => {
            let (within, zone) = time_of_day(clock)?;
            Some(midnight + within - offset(zone)?)
        }
        _ => None,
    }
}

/// Whether a text is a day without a time.
#[must_use]
pub fn is_day(text: &str) -> bool {
    text.len() == 10 && seconds(text).is_some()
}

/// Appends `2026-11-23` or `2026-11-23T15:56:00Z`. `seconds` lies within [`EARLIEST`] and
/// [`LATEST`].
pub fn write(seconds: i64, day_only: bool, out: &mut String) {
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // Writing to a string cannot fail.
    let _ = write!(out, "{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day());
    if !day_only {
        let _ = write!(out, "T{:02}:{:02}:{:02}Z", at.hour(), at.minute(), at.second());
    }
}

/// Seconds of `15:56`, `15:56:07` or `15:56:07.25`, and what follows.
fn time_of_day(clock: &[u8]) -> Option<(i64, &[u8])> {
    let (hour_minute, mut rest) = clock.split_at_checked(5)?;
    let (hour, minute) = (digits(&hour_minute[..2])?, digits(&hour_minute[3..])?);
    let mut second = 0;
    if let [b':', tens, ones, after @ ..] = rest {
        second = digits(&[*tens, *ones])?;
        rest = after;
        if let [b'.', fraction @ ..] = after {
            let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            rest = (length > 0).then_some(&fraction[length..])?;
        }
    }
    let valid = hour_minute[2] == b':' && hour < 24 && minute < 60 && second < 60;
    valid.then_some((i64::from(hour * 3600 + minute * 60 + second), rest))
}

/// Seconds east of Greenwich of ``, `Z`, `+02:00` or `+0200`.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] | [sign @ (b'+' | b'-'), a, b, c, d] => {
            (*sign, digits(&[*a, *b])?, digits(&[*c, *d])?)
        }
        _ => return None,
    };
    let east = i64::from(hours * 3600 + minutes * 60);
    (hours < 24 && minutes < 60).then_some(if sign == b'-' { -east } else { east })
}

fn digits(text: &[u8]) -> Option<i32> {
    text.iter().try_fold(0i32, |n, &b| b.is_ascii_digit().then(|| n * 10 + i32::from(b - b'0')))
}
