//! Resource limits (getrlimit(2)): `--ulimit name=soft[:hard]`, and podman's defaults.

use super::defaults::OPEN_FILES;

/// Names of the limits, in the order of their numbers on x86-64 and arm64.
const NAMES: &[&str] = &[
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

/// Why a `--ulimit` was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UlimitError {
    /// No such limit.
    #[error("--ulimit {0:?}: unknown limit; the names are {names}", names = NAMES.join(" "))]
    Name(String),
    /// Not a number.
    #[error("--ulimit {0:?}: a limit is a number, -1 or unlimited; write name=soft[:hard]")]
    Value(String),
    /// Soft over hard.
    #[error("--ulimit {0:?}: the soft limit is above the hard one")]
    Order(String),
}

/// One limit: name, soft, hard; `u64::MAX` is unlimited.
pub type Ulimit = (String, u64, u64);

/// Parses `nofile=1024:4096`; `host` (the caller's own limits) gives `None`.
pub fn parse(text: &str) -> Result<Option<Ulimit>, UlimitError> {
    if text == "host" {
        return Ok(None);
    }
    let (name, values) = text.split_once('=').ok_or_else(|| UlimitError::Value(text.to_owned()))?;
    let name = name.trim_start_matches("RLIMIT_").to_ascii_lowercase();
    if !NAMES.contains(&name.as_str()) {
        return Err(UlimitError::Name(text.to_owned()));
    }
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let value = |v: &str| match v {
        "-1" | "unlimited" => Ok(u64::MAX),
        v => v.parse().map_err(|_| UlimitError::Value(text.to_owned())),
    };
    let (soft, hard) = (value(soft)?, value(hard)?);
    if soft > hard {
        return Err(UlimitError::Order(text.to_owned()));
    }
    Ok(Some((name, soft, hard)))
}

/// Number of a limit for setrlimit(2).
fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|n| *n == name).map(|n| n as u32)
}

/// What the shim sets: the asked ones and the defaults, each clamped to the caller's hard limit
/// (`caller(number)` gives soft and hard). A second list names what had to be lowered.
pub fn plan(
    asked: &[Ulimit],
    caller: impl Fn(u32) -> (u64, u64),
) -> (Vec<(u32, u64, u64)>, Vec<String>) {
    let mut limits = Vec::new();
    let mut lowered = Vec::new();
    for (name, soft, hard) in asked {
        let Some(number) = number(name) else { continue };
        let most = caller(number).1;
        if *hard > most {
            lowered.push(format!(
                "ulimit {name}: {} is above the caller's hard limit {most}",
                shown(*hard)
            ));
        }
        limits.push((number, (*soft).min(most), (*hard).min(most)));
    }
    if !asked.iter().any(|(n, ..)| n == "nofile")
        && let Some(number) = number("nofile")
    {
        // Soft stays the caller's: a huge soft limit slows programs that close every number.
        let (soft, hard) = caller(number);
        let hard = hard.min(OPEN_FILES);
        limits.push((number, soft.min(hard), hard));
    }
    (limits, lowered)
}

fn shown(value: u64) -> String {
    if value == u64::MAX { "unlimited".into() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_podmans_forms() {
        assert_eq!(parse("nofile=1:2"), Ok(Some(("nofile".into(), 1, 2))));
        assert_eq!(parse("NPROC=-1"), Ok(Some(("nproc".into(), u64::MAX, u64::MAX))));
        assert_eq!(parse("host"), Ok(None));
        assert!(
            parse("nofile=2:1").is_err() && parse("x=1").is_err() && parse("nofile=a").is_err()
        );
    }

    #[test]
    fn clamps_to_the_callers_hard_limit_and_says_so() {
        let (limits, lowered) = plan(&[("nofile".into(), 100, 9_999_999)], |_| (1024, 20_000));
        assert_eq!(limits, [(7, 100, 20_000)]);
        assert_eq!(lowered.len(), 1);
        let (limits, lowered) = plan(&[], |_| (1024, 20_000));
        assert_eq!(limits, [(7, 1024, 20_000)]);
        assert!(lowered.is_empty());
    }
}
