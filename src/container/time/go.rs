//! A point in time as Go's `time.Time` shows it: what templates of podman print and call.

use super::nanoseconds;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

/// Parts of a layout, by what Go's reference time (Mon Jan 2 15:04:05 MST 2006) has there, and
/// what they are to strftime(3). One that is the beginning of another comes behind it.
const PARTS: [(&str, &str); 25] = [
    ("2006", "%Y"),
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("002", "%j"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("_2", "%e"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
    ("4", "%-M"),
    ("5", "%-S"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("MST", "%Z"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("-07", "%H"),
];
/// Go's form without a layout.
const PLAIN: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

/// A point in time with the zone it is shown in.
#[derive(Debug, Clone)]
pub struct GoTime(ZonedDateTime);

impl GoTime {
    /// Reads RFC 3339. As in Go the zone is UTC for `Z`, the local one where that has the offset,
    /// else one without a name.
    pub fn parse(text: &str) -> Option<GoTime> {
        let stamp = text.parse::<Timestamp>().ok()?;
        if text.ends_with(['Z', 'z']) {
            return Some(GoTime(stamp.to_zoned_datetime(TimeZone::UTC)));
        }
        let local = stamp.to_zoned_datetime(TimeZone::system());
        let written = text.get(text.len().checked_sub("+00:00".len())?..)?;
        if local.strftime("%:z").to_string() == written {
            return Some(GoTime(local));
        }
        let number = |range: std::ops::Range<usize>| written.get(range)?.parse::<i32>().ok();
        let seconds = number(1..3)? * 3600 + number(4..6)? * 60;
        let signed = if written.starts_with('-') { -seconds } else { seconds };
        let offset = Offset::from_seconds(signed).ok()?;
        Some(GoTime(stamp.to_zoned_datetime(TimeZone::fixed(offset))))
    }

    /// `2026-01-31 18:30:00.123456789 +0100 CET`.
    pub fn string(&self) -> String {
        self.format(PLAIN)
    }

    /// In the form of `layout`, Go's reference time written as it is wanted.
    pub fn format(&self, layout: &str) -> String {
        let mut text = String::new();
        let mut rest = layout;
        while let Some(first) = rest.chars().next() {
            let (part, length) = self.part(rest).unwrap_or((first.to_string(), first.len_utf8()));
            text.push_str(&part);
            rest = &rest[length..];
        }
        text
    }

    /// What the part at the beginning of `rest` shows, and how long that part is.
    fn part(&self, rest: &str) -> Option<(String, usize)> {
        if let Some(length) = fraction(rest) {
            return Some((self.fraction(&rest[..length]), length));
        }
        for zone in ["Z07:00", "Z0700"] {
            if rest.starts_with(zone) {
                let form = if zone.contains(':') { "%:z" } else { "%z" };
                let shown = match self.0.offset().seconds() {
                    0 => "Z".to_owned(),
                    _ => self.0.strftime(form).to_string(),
                };
                return Some((shown, zone.len()));
            }
        }
        // `_2006` is a year behind a line.
        let found =
            |part: &str| rest.starts_with(part) && !(part == "_2" && rest.starts_with("_2006"));
        let (part, form) = PARTS.iter().find(|(part, _)| found(part))?;
        let is_cut = matches!(*part, "Jan" | "Mon")
            && rest[part.len()..].starts_with(|c: char| c.is_ascii_lowercase());
        if is_cut {
            return None;
        }
        let shown = match *part {
            "MST" => self.zone(),
            "-07" => self.0.strftime("%z").to_string()[..3].to_owned(),
            _ => self.0.strftime(form).to_string(),
        };
        Some((shown, part.len()))
    }

    /// A zone without a name is called by its offset.
    fn zone(&self) -> String {
        let named = self.0.time_zone().iana_name().is_some()
            || *self.0.time_zone() == TimeZone::UTC
            || *self.0.time_zone() == TimeZone::system();
        self.0.strftime(if named { "%Z" } else { "%z" }).to_string()
    }

    /// `.000` shows each digit, `.999` those up to the last that is not 0.
    fn fraction(&self, part: &str) -> String {
        let digits = part.len() - 1;
        let all = format!("{:09}", self.0.subsec_nanosecond());
        let shown = match part.ends_with('9') {
            true => all[..digits].trim_end_matches('0'),
            false => &all[..digits],
        };
        if shown.is_empty() { String::new() } else { format!("{}{shown}", &part[..1]) }
    }

    /// The same point in time, shown in UTC.
    pub fn utc(&self) -> GoTime {
        GoTime(self.0.with_time_zone(TimeZone::UTC))
    }

    /// The same point in time, shown in the local zone.
    pub fn local(&self) -> GoTime {
        GoTime(self.0.with_time_zone(TimeZone::system()))
    }

    /// RFC 3339, which [`GoTime::parse`] reads.
    pub fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }

    /// The number that a method of Go's of this name gives.
    pub fn number(&self, method: &str) -> Option<i64> {
        let stamp = self.0.timestamp();
        Some(match method {
            "Unix" => stamp.as_second(),
            "UnixMilli" => stamp.as_millisecond(),
            "UnixMicro" => stamp.as_microsecond(),
            "UnixNano" => nanoseconds(stamp),
            "Year" => self.0.year().into(),
            "Day" => self.0.day().into(),
            "Hour" => self.0.hour().into(),
            "Minute" => self.0.minute().into(),
            "Second" => self.0.second().into(),
            "Nanosecond" => self.0.subsec_nanosecond().into(),
            _ => return None,
        })
    }

    /// Whether it is Go's time of nothing: the first moment of the year 1.
    pub fn is_zero(&self) -> bool {
        self.0.timestamp().as_second() == -62_135_596_800 && self.0.subsec_nanosecond() == 0
    }
}

/// Length of a fraction of a second in a layout: a point or comma and at most nine `0` or `9`, no
/// digit behind them.
fn fraction(rest: &str) -> Option<usize> {
    let digits = rest.strip_prefix(['.', ','])?;
    let kind = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.chars().take_while(|c| *c == kind).count();
    let behind = digits[count..].starts_with(|c: char| c.is_ascii_digit());
    (count <= 9 && !behind).then_some(count + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        GoTime::parse(text).unwrap().string()
    }

    #[test]
    fn times_are_shown_as_go_shows_them() {
        for (text, wanted) in [
            ("2026-11-27T03:00:00.12345Z", "2026-11-27 03:00:00.12345 +0000 UTC"),
            ("2026-11-27T03:00:00Z", "2026-11-27 03:00:00 +0000 UTC"),
            ("0001-01-01T00:00:00Z", "0001-01-01 00:00:00 +0000 UTC"),
            ("2026-11-27T03:00:00-03:30", "2026-11-27 03:00:00 -0330 -0330"),
        ] {
            assert_eq!(shown(text), wanted);
        }
        assert!(GoTime::parse("soon").is_none());
        let local = super::super::rfc3339(1_700_000_000_123_000_000);
        assert_eq!(shown(&local), super::super::go_string(1_700_000_000_123_000_000));
    }

    #[test]
    fn layouts_are_gos() {
        let time = GoTime::parse("2026-02-03T16:05:06.070809Z").unwrap();
        for (layout, wanted) in [
            ("2006-01-02", "2026-02-03"),
            ("2006-01-02T15:04:05Z07:00", "2026-02-03T16:05:06Z"),
            ("Mon Jan _2 15:04:05 2006", "Tue Feb  3 16:05:06 2026"),
            ("Monday, 02-Jan-06 15:04:05 MST", "Tuesday, 03-Feb-26 16:05:06 UTC"),
            ("3:04PM 3:4:5pm 002", "4:05PM 4:5:6pm 034"),
            ("05.000 05.000000 05,999 05.999999999", "06.070 06.070809 06,07 06.070809"),
            ("-0700 -07:00 -07 Z0700", "+0000 +00:00 +00 Z"),
            ("_2006 January Janet Months 1/2 é", "_2026 February Janet Months 2/3 é"),
            ("15.04.05", "16.05.06"),
            ("", ""),
        ] {
            assert_eq!(time.format(layout), wanted, "{layout}");
        }
    }

    #[test]
    fn numbers_and_zones() {
        let time = GoTime::parse("2026-11-27T03:00:00.5+02:00").unwrap();
        assert_eq!(time.number("Unix"), Some(1_795_741_200));
        assert_eq!(time.number("UnixNano"), Some(1_795_741_200_500_000_000));
        assert_eq!((time.number("Year"), time.number("Hour")), (Some(2026), Some(3)));
        assert_eq!(time.number("Nope"), None);
        assert_eq!(time.utc().rfc3339(), "2026-11-27T01:00:00.5Z");
        assert_eq!(time.local().number("Unix"), time.number("Unix"));
        let zero = GoTime::parse("0001-01-01T00:00:00Z").unwrap();
        assert!(zero.is_zero() && !time.is_zero());
        // podman 4.3.1.
        assert_eq!(zero.number("Unix"), Some(-62_135_596_800));
    }

    proptest::proptest! {
        #[test]
        fn no_layout_makes_it_panic(layout in ".{0,40}") {
            GoTime::parse("2026-02-03T16:05:06.07Z").unwrap().format(&layout);
        }
    }
}
