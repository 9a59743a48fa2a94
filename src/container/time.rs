//! Points in time as users type them and as logs and records show them.

mod go;

pub use go::GoTime;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A time that is not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a time: use 2026-01-31T18:30:00Z, 2026-01-31, seconds since 1970, or a span such as 10m or 1h30m"
)]
pub struct BadTime(String);

/// Nanoseconds since 1970, now.
pub fn now() -> i64 {
    nanoseconds(Timestamp::now())
}

/// Reads a time in any of podman's forms, as nanoseconds since 1970. A span counts back from
/// `now`, a negative one ahead; a time without zone is local.
pub fn parse(text: &str, now: i64) -> Result<i64, BadTime> {
    read(text, |span| now.checked_sub(span))
}

/// Reads the end of a stretch of time (`--until`), as [`parse`] but for a span: `3s` is in three
/// seconds, `-3s` was three seconds ago.
pub fn parse_end(text: &str, now: i64) -> Result<i64, BadTime> {
    read(text, |span| now.checked_add(span))
}

fn read(text: &str, span_from_now: impl Fn(i64) -> Option<i64>) -> Result<i64, BadTime> {
    let bad = || BadTime(text.to_owned());
    if let Ok(seconds) = text.parse::<f64>() {
        // Log times that matter are far from the limits; `as` saturates.
        return if seconds.is_finite() { Ok((seconds * 1e9) as i64) } else { Err(bad()) };
    }
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(nanoseconds(stamp));
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    if let Ok(civil) = civil {
        let zoned = civil.to_zoned_datetime(TimeZone::system()).map_err(|_| bad())?;
        return Ok(nanoseconds(zoned.timestamp()));
    }
    let span = text.parse::<SignedDuration>().map_err(|_| bad())?;
    let span = i64::try_from(span.as_nanos()).map_err(|_| bad())?;
    span_from_now(span).ok_or_else(bad)
}

/// Reads a span of time such as `30s`, `2m3s` or `100ms`, as nanoseconds; a number alone is
/// only 0.
pub fn parse_span(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let span = text.parse::<SignedDuration>().ok()?;
    u64::try_from(span.as_nanos()).ok()
}

/// Reads the time of a log line (RFC 3339 with nanoseconds).
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(nanoseconds)
}

/// RFC 3339 with nanoseconds in the local zone; Go's zero time for 0, as podman prints it.
pub fn rfc3339(at: i64) -> String {
    if at == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    zoned(at).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

/// The same with all nine digits and in UTC, as log files have it.
pub fn rfc3339_nano(at: i64) -> String {
    let stamp = Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.strftime("%Y-%m-%dT%H:%M:%S%.9fZ").to_string()
}

/// RFC 3339 with nanoseconds in UTC.
pub fn rfc3339_utc(at: i64) -> String {
    Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// `2026-01-31 18:30:00.123456789 +0100 CET`, as `ps` prints CreatedAt.
pub fn go_string(at: i64) -> String {
    zoned(at).strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string()
}

fn zoned(at: i64) -> jiff::ZonedDateTime {
    let stamp = Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.to_zoned_datetime(TimeZone::system())
}

fn nanoseconds(stamp: Timestamp) -> i64 {
    i64::try_from(stamp.as_nanosecond()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_time_are_read() {
        let now = 1_000_000 * 1_000_000_000;
        let second = 1_000_000_000;
        let cases = [
            ("1970-01-01T00:00:05Z", 5 * second),
            ("1970-01-01T01:00:05+01:00", 5 * second),
            ("1970-01-01T00:00:05.5Z", 5 * second + second / 2),
            ("5", 5 * second),
            ("5.25", 5 * second + second / 4),
            ("10s", now - 10 * second),
            ("10m", now - 600 * second),
            ("1h30m", now - 5400 * second),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text, now), Ok(want), "{text}");
        }
        // Where something ends, a span lies ahead (podman 4.3.1).
        for (text, ahead) in [("10s", 10), ("1h30m", 5400), ("-10s", -10), ("0s", 0)] {
            assert_eq!(parse_end(text, now), Ok(now + ahead * second), "{text}");
            assert_eq!(parse(text, now), Ok(now - ahead * second), "{text}");
        }
        assert_eq!(parse_end("5", now), Ok(5 * second));
        assert!(parse("2026-01-31", now).is_ok());
        assert!(parse("2026-01-31T10:00:00", now).is_ok());
        for bad in ["", "soon", "nan", "10x", "2026-13-01"] {
            assert!(parse(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_printed_so_that_they_are_read_again() {
        let at = 1_700_000_000_123_456_789;
        assert_eq!(parse_rfc3339(&rfc3339(at)), Some(at));
        assert_eq!(rfc3339(0), "0001-01-01T00:00:00Z");
    }
}
