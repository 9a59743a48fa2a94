//! Versions of drivers, kernels and interfaces: numbers with dots between them.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Most numbers in one version; `535.261.03` has three.
const MOST: usize = 6;

/// `535.261.03`, `24.2.7`, `1.3`. Missing numbers count as 0 in comparisons.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    numbers: Vec<u32>,
    text: String,
}

/// Why a text is no version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a version; write numbers with dots between them, such as \"535.98\"")]
pub struct BadVersion(String);

impl Version {
    /// The version at the start of a text, whatever follows: `6.14.0-rc1-arch` is 6.14.0.
    pub fn leading(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let pieces: Vec<&str> = text[..end].split('.').take(MOST).collect();
        let good = pieces.iter().take_while(|p| !p.is_empty()).copied().collect::<Vec<_>>();
        good.join(".").parse().ok()
    }

    /// Not older than `min`.
    pub fn reaches(&self, min: &Self) -> bool {
        *self >= *min
    }

    /// Not newer than `max`, which counts by the numbers it gives: 550.54 is within `550`.
    pub fn is_within(&self, max: &Self) -> bool {
        for (n, most) in max.numbers.iter().enumerate() {
            match self.number(n).cmp(most) {
                Ordering::Less => return true,
                Ordering::Greater => return false,
                Ordering::Equal => {}
            }
        }
        true
    }

    /// The number at a place, 0 where the version gives none.
    pub fn number(&self, place: usize) -> u32 {
        self.numbers.get(place).copied().unwrap_or(0)
    }
}

impl FromStr for Version {
    type Err = BadVersion;
    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let fault = || BadVersion(text.chars().take(40).collect());
        let pieces: Vec<&str> = text.split('.').take(MOST + 1).collect();
        let number = |piece: &&str| {
            let plain = piece.bytes().all(|b| b.is_ascii_digit()) && !piece.is_empty();
            plain.then(|| piece.parse().ok()).flatten()
        };
        let numbers: Option<Vec<u32>> = pieces.iter().map(number).collect();
        match numbers {
            Some(numbers) if numbers.len() <= MOST => {
                Ok(Version { numbers, text: text.to_owned() })
            }
            _ => Err(fault()),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = BadVersion;
    fn try_from(text: String) -> Result<Self, BadVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.text
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let most = self.numbers.len().max(other.numbers.len());
        let places = (0..most).map(|n| self.number(n).cmp(&other.number(n)));
        places.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect(text)
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(version("535.98") < version("535.261.03"));
        assert!(version("1.3") > version("1.2.999"));
        assert_eq!(version("1.3"), version("1.3.0"));
        assert!(version("6.14").reaches(&version("5.16")));
    }

    #[test]
    fn a_maximum_counts_by_the_numbers_it_gives() {
        assert!(version("550.163.01").is_within(&version("550")));
        assert!(version("550.163.01").is_within(&version("550.163")));
        assert!(!version("550.163.01").is_within(&version("550.162")));
        assert!(!version("551").is_within(&version("550")));
    }

    #[test]
    fn what_stands_behind_the_numbers_is_left_out() {
        for (text, wanted) in [
            ("6.14.0-rc1-arch", Some("6.14.0")),
            ("5.15.0-91-generic", Some("5.15.0")),
            ("22.3.6", Some("22.3.6")),
            ("6.1.", Some("6.1")),
            ("v6", None),
            ("", None),
            ("99999999999", None),
        ] {
            let found = Version::leading(text).map(|v| v.to_string());
            assert_eq!(found.as_deref(), wanted, "{text:?}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", ".", "1.", "1..2", "1.x", "-1", "+1", "1.2.3.4.5.6.7", "4294967296"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
}
