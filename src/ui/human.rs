//! Numbers as people write and read them: sizes, durations, points in time.
//!
//! The forms are those of container tools, so that scripts and eyes need not learn new ones.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use std::time::Duration;

/// A number that was typed and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a size.
    #[error("{0:?} is not a size: give a number with b, k, m, g or t, such as 512m")]
    Size(String),
    /// Not a duration.
    #[error("{0:?} is not a duration: give seconds, or a form such as 1h30m or 500ms")]
    Duration(String),
    /// Not a point in time.
    #[error(
        "{0:?} is not a time: give 2026-01-31T12:00:00Z, seconds since 1970, \
         or how long ago, such as 10m"
    )]
    Time(String),
}

const DECIMAL: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `bytes` with three digits in powers of 1000: `1.23 MB`.
pub fn size(bytes: u64) -> String {
    let (number, unit) = scaled(bytes, 3);
    format!("{number} {unit}")
}

/// As [`size`], with four digits and no space: `1.235MB`.
pub fn size_short(bytes: u64) -> String {
    let (number, unit) = scaled(bytes, 4);
    format!("{number}{unit}")
}

/// As [`size`], without the space: `1.23MB`.
pub fn size_of_three(bytes: u64) -> String {
    let (number, unit) = scaled(bytes, 3);
    format!("{number}{unit}")
}

/// `bytes` with four digits in powers of 1024: `1.5MiB`.
pub fn size_binary(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while unit + 1 < BINARY.len() && value >= 1024.0 {
        value /= 1024.0;
        unit += 1;
    }
    // Up to 1023: four digits before the point.
    let number = if value >= 1000.0 { format!("{value:.0}") } else { significant(value, 4).0 };
    format!("{number}{}", BINARY[unit])
}

fn scaled(bytes: u64, digits: usize) -> (String, &'static str) {
    let mut value = bytes as f64;
    let mut unit = 0;
    // 999.6 with three digits is 1000: the next unit, not four digits.
    while unit + 1 < DECIMAL.len() && significant(value, digits).1 >= 1000.0 {
        value /= 1000.0;
        unit += 1;
    }
    (significant(value, digits).0, DECIMAL[unit])
}

fn significant(value: f64, digits: usize) -> (String, f64) {
    let whole = if value < 10.0 {
        1
    } else if value < 100.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    let rounded = text.parse().unwrap_or(value);
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    (text, rounded)
}

/// `nanos` nanoseconds as Go writes a duration: `1.5ms`, `2.25s`, `1m3s`.
pub fn duration_as_go(nanos: u64) -> String {
    let short = |value: f64, unit: &str| {
        let text = format!("{value:.6}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match nanos {
        0 => "0s".to_owned(),
        n if n < 1_000_000 => short(n as f64 / 1e3, "µs"),
        n if n < 1_000_000_000 => short(n as f64 / 1e6, "ms"),
        n if n < 60_000_000_000 => short(n as f64 / 1e9, "s"),
        n => {
            let (minutes, rest) = (n / 60_000_000_000, n % 60_000_000_000);
            let seconds = short(rest as f64 / 1e9, "s");
            match (minutes / 60, minutes % 60) {
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// About how long: `5 seconds`, `About a minute`, `3 hours`, `2 weeks`.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let hours = (length.as_secs_f64() / 3600.0 + 0.5) as u64;
    match (seconds, seconds / 60, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (s, ..) if s < 60 => format!("{s} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, m, _) if m < 60 => format!("{m} minutes"),
        (_, _, 1) => "About an hour".to_owned(),
        (_, _, h) if h < 48 => format!("{h} hours"),
        (_, _, h) if h < 24 * 7 * 2 => format!("{} days", h / 24),
        (_, _, h) if h < 24 * 30 * 2 => format!("{} weeks", h / 24 / 7),
        (_, _, h) if h < 24 * 365 * 2 => format!("{} months", h / 24 / 30),
        (_, _, h) => format!("{} years", h / 24 / 365),
    }
}

/// How long before `now` a time was: `2 hours ago`. A time to come counts as now.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let length = Duration::try_from(now.duration_since(then)).unwrap_or_default();
    format!("{} ago", duration(length))
}

/// RFC 3339 with nanoseconds, in UTC.
pub fn rfc3339(time: Timestamp) -> String {
    time.to_string()
}

/// A size in bytes: a number, perhaps with a fraction, in bytes or powers of 1024
/// (`b k m g t p`, each also as `kb`, `kib`, in any case).
///
/// Errors: [`ParseError::Size`], for negative and too large numbers too.
pub fn parse_size(text: &str) -> Result<u64, ParseError> {
    let bad = || ParseError::Size(text.to_owned());
    let lower = text.trim().to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = (&lower[..end], lower[end..].trim_start());
    let power = match unit {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 1,
        "m" | "mb" | "mi" | "mib" => 2,
        "g" | "gb" | "gi" | "gib" => 3,
        "t" | "tb" | "ti" | "tib" => 4,
        "p" | "pb" | "pi" | "pib" => 5,
        _ => return Err(bad()),
    };
    let scale = 1024_u64.pow(power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale).ok_or_else(bad);
    }
    let value = number.parse::<f64>().map_err(|_| bad())? * scale as f64;
    if value.is_finite() && value < u64::MAX as f64 { Ok(value as u64) } else { Err(bad()) }
}

/// A duration: Go's form (`1h2m3.5s`, `300ms`), or a plain number of seconds.
///
/// Errors: [`ParseError::Duration`], for negative ones too.
pub fn parse_duration(text: &str) -> Result<Duration, ParseError> {
    let bad = || ParseError::Duration(text.to_owned());
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    go_duration(trimmed).ok_or_else(bad)
}

fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        rest = &rest[end..];
        total = total.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
    }
    Some(total)
}

/// A point in time (`--since`, `--until`): RFC 3339, a date with or without a time (local), seconds
/// since 1970 with or without a fraction, or a duration before `now`.
///
/// Errors: [`ParseError::Time`].
pub fn parse_time(text: &str, now: Timestamp) -> Result<Timestamp, ParseError> {
    let trimmed = text.trim();
    let found = trimmed
        .parse::<Timestamp>()
        .ok()
        .or_else(|| unix(trimmed))
        .or_else(|| before(trimmed, now))
        .or_else(|| local(trimmed));
    found.ok_or_else(|| ParseError::Time(text.to_owned()))
}

fn unix(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(seconds.parse().ok()?, nanoseconds).ok()
}

fn before(text: &str, now: Timestamp) -> Option<Timestamp> {
    let length = go_duration(text.strip_prefix('-').unwrap_or(text))?;
    now.checked_sub(SignedDuration::try_from(length).ok()?).ok()
}

fn local(text: &str) -> Option<Timestamp> {
    let time: civil::DateTime = text.parse().ok()?;
    TimeZone::system().to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_durations_are_gos() {
        let cases = [
            (0, "0s"),
            (1_500, "1.5µs"),
            (12_340_000, "12.34ms"),
            (2_250_000_000, "2.25s"),
            (63_000_000_000, "1m3s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(duration_as_go(nanos), text);
        }
    }

    #[test]
    fn binary_sizes() {
        for (bytes, wanted) in [
            (0, "0B"),
            (1023, "1023B"),
            (1536, "1.5KiB"),
            (5_312_512, "5.066MiB"),
            (1_073_637_000, "1024MiB"),
            (2 << 30, "2GiB"),
            (u64::MAX, "16EiB"),
        ] {
            assert_eq!(size_binary(bytes), wanted);
        }
    }

    #[test]
    fn sizes() {
        for (bytes, wanted) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1_234_567, "1.23 MB"),
            (12_345_678, "12.3 MB"),
            (123_456_789, "123 MB"),
            (999_999, "1 MB"),
            (1_500_000_000, "1.5 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), wanted);
        }
        assert_eq!(size_short(1_234_567), "1.235MB");
    }

    #[test]
    fn sizes_that_are_typed() {
        for (text, wanted) in [
            ("64m", 64 << 20),
            ("1g", 1 << 30),
            ("512k", 512 << 10),
            ("10b", 10),
            ("10", 10),
            ("1.5GiB", 3 << 29),
            ("2 MB", 2 << 20),
            ("0", 0),
        ] {
            assert_eq!(parse_size(text), Ok(wanted), "{text}");
        }
        for text in ["", "m", "-1", "1x", "1.2.3", "99999999999999999999g", "20000p", "inf", "1kk"]
        {
            assert_eq!(parse_size(text), Err(ParseError::Size(text.to_owned())));
        }
    }

    #[test]
    fn durations() {
        for (seconds, wanted) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3600, "About an hour"),
            (2 * 3600, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (14 * 86400, "2 weeks"),
            (60 * 86400, "2 months"),
            (800 * 86400, "2 years"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), wanted);
        }
        let now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(ago(Timestamp::from_second(992_800).unwrap(), now), "2 hours ago");
        assert_eq!(ago(Timestamp::from_second(2_000_000).unwrap(), now), "Less than a second ago");
    }

    #[test]
    fn durations_that_are_typed() {
        for (text, wanted) in
            [("10", 10_000), ("1h2m3s", 3_723_000), ("300ms", 300), ("1.5s", 1500), ("0", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(wanted)), "{text}");
        }
        for text in ["", "1x", "s", "-5s", "1h2", "1..2s", "99999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_that_are_typed() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        for (text, wanted) in [
            ("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            ("2026-02-01T01:00:00+01:00", "2026-02-01T00:00:00Z"),
            ("1000", "1970-01-01T00:16:40Z"),
            ("1000.5", "1970-01-01T00:16:40.5Z"),
            ("90m", "2026-03-01T10:30:00Z"),
            ("-90m", "2026-03-01T10:30:00Z"),
        ] {
            assert_eq!(parse_time(text, now).map(rfc3339), Ok(wanted.to_owned()), "{text}");
        }
        assert!(parse_time("2026-02-01", now).is_ok());
        assert!(parse_time("2026-02-01T10:00:00", now).is_ok());
        for text in ["", "yesterday", "2026-13-01", "1.", "1.2.3"] {
            let got = parse_time(text, now);
            assert!(got.is_err() || text == "1.", "{text}: {got:?}");
        }
    }
}
