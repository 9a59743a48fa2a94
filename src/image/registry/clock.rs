//! Points in time as servers write them, in seconds since 1970 (UTC).

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // The year is made to begin in March, so that the leap day is its last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    y * 365 + leap_days + (m * 153 + 2) / 5 + day - 1 - 719_468
}

fn seconds(date: (i64, i64, i64), time: &str) -> Option<i64> {
    let (year, month, day) = date;
    let mut parts = time.split(':').map(|p| p.parse::<i64>().ok());
    let (h, m, s) = (parts.next()??, parts.next()??, parts.next()??);
    let sane = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&h)
        && (0..60).contains(&m)
        && (0..=60).contains(&s)
        && (1..=9999).contains(&year)
        && parts.next().is_none();
    sane.then(|| days(year, month, day) * 86_400 + h * 3600 + m * 60 + s)
}

fn month(name: &str) -> Option<i64> {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    NAMES.iter().position(|n| *n == name).map(|i| i as i64 + 1)
}

/// An HTTP-date (RFC 9110 section 5.6.7): IMF-fixdate, or asctime's form.
///
/// RFC 850's two-digit years are not read: no server has sent them for decades.
pub(in crate::image) fn http_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        [_, day, mon, year, time, "GMT"] => {
            seconds((year.parse().ok()?, month(mon)?, day.parse().ok()?), time)
        }
        [_, mon, day, time, year] => {
            seconds((year.parse().ok()?, month(mon)?, day.parse().ok()?), time)
        }
        _ => None,
    }
}

/// An RFC 3339 time, with any offset; fractions of a second are dropped.
pub(in crate::image) fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-').map(|p| p.parse::<i64>().ok());
    let date = (parts.next()??, parts.next()??, parts.next()??);
    let time = rest.get(..8)?;
    let zone = rest.get(8..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let local = seconds(date, time)?;
    if zone.eq_ignore_ascii_case("z") {
        return Some(local);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (h, m) = zone.get(1..)?.split_once(':')?;
    Some(local - sign * (h.parse::<i64>().ok()? * 3600 + m.parse::<i64>().ok()? * 60))
}

/// Now, by the wall clock.
pub(in crate::image) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates() {
        // The example of RFC 9110, and what `date -u +%s` says of the others.
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), Some(784_111_777));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(rfc3339("2024-02-29T12:00:00Z"), Some(1_709_208_000));
        assert_eq!(rfc3339("2024-02-29T14:00:00.123+02:00"), Some(1_709_208_000));
        assert_eq!(rfc3339("2024-02-29T11:30:00-00:30"), Some(1_709_208_000));
        for bad in ["", "soon", "Sun, 06 Nov 1994 08:49 GMT", "x, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
        for bad in [
            "",
            "2024-02-29",
            "2024-02-29T12:00:00",
            "2024-02-29T12:00:00é",
            "2024-13-01T00:00:00Z",
        ] {
            assert_eq!(rfc3339(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in r"\PC{0,80}") {
            let _ = (http_date(&text), rfc3339(&text));
        }
    }
}
