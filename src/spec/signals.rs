//! Signal names and numbers (signal(7)), as `--stop-signal` and `kill -s` take them.

/// Names of signals 1 to 31 on Linux, without `SIG`.
const NAMES: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// SIGRTMIN as glibc counts it: the kernel's 32 and two for its threads.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// No such signal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no signal; write a name such as TERM or SIGTERM, or a number from 1 to 64")]
pub struct BadSignal(String);

/// `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`, `RTMAX-1`.
pub fn parse(text: &str) -> Result<i32, BadSignal> {
    let bad = || BadSignal(text.to_owned());
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=RTMAX).contains(&number) { Ok(number) } else { Err(bad()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(n) = NAMES.iter().position(|known| *known == name) {
        return Ok(n as i32 + 1);
    }
    let number = match name {
        "POLL" => Some(29),
        "IOT" => Some(6),
        "CLD" => Some(17),
        "RTMIN" => Some(RTMIN),
        "RTMAX" => Some(RTMAX),
        _ => name
            .strip_prefix("RTMIN+")
            .and_then(|n| n.parse::<i32>().ok().map(|n| RTMIN.saturating_add(n)))
            .or_else(|| {
                name.strip_prefix("RTMAX-")
                    .and_then(|n| n.parse::<i32>().ok().map(|n| RTMAX.saturating_sub(n)))
            }),
    };
    number.filter(|n| (1..=RTMAX).contains(n)).ok_or_else(bad)
}

/// `SIGTERM` for 15; the number in digits where it has no name.
pub fn name(number: i32) -> String {
    match usize::try_from(number - 1).ok().and_then(|n| NAMES.get(n)) {
        Some(name) => format!("SIG{name}"),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_real_time_signals() {
        for (text, number) in [
            ("TERM", 15),
            ("sigkill", 9),
            ("2", 2),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("64", 64),
        ] {
            assert_eq!(parse(text), Ok(number), "{text}");
        }
        for text in ["", "0", "65", "-1", "NOPE", "RTMIN+99"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(40), "40");
    }
}
