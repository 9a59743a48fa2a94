//! Ranges of driver, kernel and Vulkan versions: `>=550, <560`. Those are no semantic versions:
//! numbers between dots, as many as there are, of which leading zeros and what follows do not count.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// A version: the numbers in front of anything else. Missing ones are zero.
#[derive(Debug, Clone)]
pub struct Version(Vec<u64>);

impl Version {
    /// Reads `550.107.02`, `6.14.2-arch1-1`, `1.3`; `None` when it does not begin with a number.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let numbers = text[..end].trim_end_matches('.').split('.').map(|n| n.parse().ok());
        numbers.collect::<Option<Vec<u64>>>().map(Version)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let len = self.0.len().max(other.0.len());
        let padded =
            |v: &Version| (0..len).map(|n| v.0.get(n).copied().unwrap_or(0)).collect::<Vec<_>>();
        padded(self).cmp(&padded(other))
    }
}

/// Why a text is no range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadRange {
    /// Not comparisons with commas between them.
    #[error("{0:?} is not a range of versions; write >=550, or >=550, <560")]
    Syntax(String),
    /// Nothing can satisfy it.
    #[error("the range {0:?} contradicts itself: no version is in it")]
    Empty(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    AtLeast,
    Above,
    AtMost,
    Below,
    Exactly,
}

/// Versions that will do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    text: String,
    bounds: Vec<(Operator, Version)>,
}

impl Range {
    /// Reads comparisons with commas between them; all must hold.
    pub fn parse(text: &str) -> Result<Self, BadRange> {
        let shown = || text.chars().take(60).collect::<String>();
        let mut bounds = Vec::new();
        for part in text.split(',').take(8) {
            bounds.push(bound(part.trim()).ok_or_else(|| BadRange::Syntax(shown()))?);
        }
        let range = Range { text: text.trim().to_owned(), bounds };
        if text.split(',').count() > 8 || text.len() > 100 {
            return Err(BadRange::Syntax(shown()));
        }
        if range.is_empty() { Err(BadRange::Empty(shown())) } else { Ok(range) }
    }

    /// Whether a version is in it.
    pub fn holds(&self, version: &Version) -> bool {
        self.bounds.iter().all(|(operator, bound)| match operator {
            Operator::AtLeast => version >= bound,
            Operator::Above => version > bound,
            Operator::AtMost => version <= bound,
            Operator::Below => version < bound,
            Operator::Exactly => version == bound,
        })
    }

    /// Versions are dense enough that a range is empty only when a lower bound lies above an
    /// upper one, or at it without both taking it in.
    fn is_empty(&self) -> bool {
        use Operator::{Above, AtLeast, AtMost, Below, Exactly};
        let low = |o: &Operator| matches!(o, AtLeast | Above | Exactly);
        let high = |o: &Operator| matches!(o, AtMost | Below | Exactly);
        self.bounds.iter().filter(|(o, _)| low(o)).any(|(lower, a)| {
            self.bounds.iter().filter(|(o, _)| high(o)).any(|(upper, b)| match a.cmp(b) {
                Ordering::Greater => true,
                Ordering::Equal => *lower == Above || *upper == Below,
                Ordering::Less => false,
            })
        })
    }
}

fn bound(part: &str) -> Option<(Operator, Version)> {
    let operators = [
        (">=", Operator::AtLeast),
        ("<=", Operator::AtMost),
        (">", Operator::Above),
        ("<", Operator::Below),
        ("=", Operator::Exactly),
    ];
    let (operator, rest) =
        operators.iter().find_map(|(sign, o)| Some((*o, part.strip_prefix(sign)?.trim())))?;
    let plain = rest.chars().all(|c| c.is_ascii_digit() || c == '.') && !rest.ends_with('.');
    Some((operator, Version::parse(rest).filter(|_| plain)?))
}

impl TryFrom<String> for Range {
    type Error = BadRange;
    fn try_from(text: String) -> Result<Self, BadRange> {
        Self::parse(&text)
    }
}

impl From<Range> for String {
    fn from(range: Range) -> String {
        range.text
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Range {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Range {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Range".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Comparisons of versions, all of which must hold.",
            "examples": [">=550", ">=550, <560"],
            "maxLength": 100
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_the_versions_they_should() {
        for (range, version, holds) in [
            (">=550", "550.107.02", true),
            (">=550", "535.183.01", false),
            (">=550, <560", "560.35.03", false),
            (">=24.1", "24.2.8", true),
            (">=24.1", "24.1", true),
            (">24.1", "24.1.0", false),
            ("=535.183.1", "535.183.01", true),
            ("<= 6.13", "6.14.2-arch1-1", false),
        ] {
            let version = Version::parse(version).unwrap();
            assert_eq!(Range::parse(range).unwrap().holds(&version), holds, "{range} {version:?}");
        }
    }

    #[test]
    fn what_is_no_range_or_an_empty_one_is_refused() {
        for text in
            ["", "550", ">=", ">= x", ">=1,", "~1", ">=1.", ">=1..2", ">=99999999999999999999"]
        {
            assert!(matches!(Range::parse(text), Err(BadRange::Syntax(_))), "{text}");
        }
        for text in [">=560, <550", ">1, <1", ">=1, <1", "=1, >2"] {
            assert!(matches!(Range::parse(text), Err(BadRange::Empty(_))), "{text}");
        }
        assert!(Range::parse(">=1, <=1").is_ok());
        assert!(Range::parse(&">=1,".repeat(10_000)).unwrap_err().to_string().len() < 200);
    }
}
