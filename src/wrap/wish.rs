//! One setting as it was typed, and what its value means. Values stay as typed until they are applied:
//! a wrong one is denied like any other, and the game starts.

use super::{Refusal, process, text, words};
use crate::cgroup::game::GameLimits;
use crate::ui::human;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// `--affinity LIST`
    Affinity(OsString),
    /// `--nice N`
    Nice(OsString),
    /// `--ionice CLASS`
    Ionice(OsString),
    /// `--cpu-weight N`
    CpuWeight(OsString),
    /// `--memory-low SIZE`
    MemoryLow(OsString),
    /// `--env NAME=VALUE`
    Env(OsString),
    /// `--gamemode`
    GameMode,
    /// `--mangohud`
    MangoHud {
        /// `--mangohud=gl`: OpenGL games too.
        gl: bool,
    },
    /// `--gamescope ARGS`
    Gamescope(OsString),
}

/// A setting's flag, and its value as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `--nice`
    pub flag: String,
    /// The value; of `--env` the name alone, since values may be secret.
    pub value: Option<String>,
}

impl Wish {
    /// For the report and the log.
    pub fn named(&self) -> Named {
        let (flag, value) = self.parts();
        let shown = |value: &OsStr| value.to_string_lossy().into_owned();
        let value = value.map(|value| match self {
            Wish::Env(pair) => shown(name_of(pair)),
            _ => shown(value),
        });
        Named { flag: flag.to_owned(), value }
    }

    /// Whether the value can be meant at all; nothing is tried.
    pub fn check(&self) -> Result<(), Refusal> {
        match self {
            Wish::Affinity(value) => process::processors(&text(value)?).map(|_| ()),
            Wish::Nice(value) => process::niceness(&text(value)?).map(|_| ()),
            Wish::Ionice(value) => process::io_class(&text(value)?).map(|_| ()),
            Wish::CpuWeight(value) => cpu_weight(value).map(|_| ()),
            Wish::MemoryLow(value) => memory_low(value).map(|_| ()),
            Wish::Env(value) => pair(value).map(|_| ()),
            Wish::Gamescope(value) => gamescope(value).map(|_| ()),
            Wish::GameMode | Wish::MangoHud { .. } => Ok(()),
        }
    }

    /// As words of a command line again; `None` when the value is no UTF-8.
    pub fn words(&self) -> Option<Vec<String>> {
        let (flag, value) = self.parts();
        match (self, value) {
            (Wish::MangoHud { gl: true }, _) => Some(vec![format!("{flag}=gl")]),
            (_, None) => Some(vec![flag.to_owned()]),
            (_, Some(value)) => Some(vec![flag.to_owned(), value.to_str()?.to_owned()]),
        }
    }

    fn parts(&self) -> (&'static str, Option<&OsStr>) {
        match self {
            Wish::Affinity(value) => ("--affinity", Some(value)),
            Wish::Nice(value) => ("--nice", Some(value)),
            Wish::Ionice(value) => ("--ionice", Some(value)),
            Wish::CpuWeight(value) => ("--cpu-weight", Some(value)),
            Wish::MemoryLow(value) => ("--memory-low", Some(value)),
            Wish::Env(value) => ("--env", Some(value)),
            Wish::GameMode => ("--gamemode", None),
            Wish::MangoHud { gl } => ("--mangohud", gl.then_some(OsStr::new("gl"))),
            Wish::Gamescope(value) => ("--gamescope", Some(value)),
        }
    }
}

fn name_of(pair: &OsStr) -> &OsStr {
    let name = pair.as_bytes().split(|byte| *byte == b'=').next();
    OsStr::from_bytes(name.unwrap_or_default())
}

/// `NAME=VALUE`.
pub(super) fn pair(pair: &OsString) -> Result<(OsString, OsString), Refusal> {
    let name = name_of(pair);
    let value = pair.as_bytes().get(name.len() + 1..);
    match value {
        Some(value) if !name.is_empty() => {
            Ok((name.to_owned(), OsStr::from_bytes(value).to_owned()))
        }
        _ => Err(Refusal::Denied("write NAME=VALUE".to_owned())),
    }
}

/// 1 to 10000 (cgroup-v2.rst).
pub(super) fn cpu_weight(value: &OsString) -> Result<u64, Refusal> {
    let weight = text(value)?.trim().parse().ok().filter(|n| (1..=10_000).contains(n));
    weight.ok_or_else(|| {
        Refusal::Denied(format!("{value:?} is no weight; write a number from 1 to 10000"))
    })
}

/// A size in bytes or with a unit.
pub(super) fn memory_low(value: &OsString) -> Result<u64, Refusal> {
    human::parse_size(&text(value)?).map_err(|error| Refusal::Denied(error.to_string()))
}

/// The last good value of each limit.
pub(super) fn limits(wishes: &[Wish]) -> GameLimits {
    let mut limits = GameLimits::default();
    for wish in wishes {
        match wish {
            Wish::CpuWeight(value) => {
                limits.cpu_weight = cpu_weight(value).ok().or(limits.cpu_weight)
            }
            Wish::MemoryLow(value) => {
                limits.memory_low = memory_low(value).ok().or(limits.memory_low)
            }
            _ => {}
        }
    }
    limits
}

/// The words for gamescope, without the `--` that Bolt writes itself.
pub(super) fn gamescope(value: &OsString) -> Result<Vec<OsString>, Refusal> {
    let words = words::split(value);
    let words = words.ok_or_else(|| Refusal::Denied("a quote in it has no end".to_owned()))?;
    match words.iter().any(|word| word == "--") {
        true => Err(Refusal::Denied("leave -- out: the game comes behind it anyway".to_owned())),
        false => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_what_is_shown_of_them() {
        let env = Wish::Env("TOKEN=canary=1".into());
        assert!(!format!("{:?}", env.named()).contains("canary"));
        assert_eq!(pair(&"A=b=c".into()), Ok(("A".into(), "b=c".into())));
        assert_eq!(pair(&"A=".into()), Ok(("A".into(), "".into())));
        for bad in ["", "A", "=b"] {
            assert!(pair(&bad.into()).is_err(), "{bad}");
        }
        assert_eq!(cpu_weight(&"10000".into()), Ok(10_000));
        for bad in ["0", "10001", "-1", "x", ""] {
            assert!(cpu_weight(&bad.into()).is_err(), "{bad}");
        }
        assert_eq!(memory_low(&"2g".into()), Ok(2 << 30));
        assert!(memory_low(&"much".into()).is_err());
        assert!(gamescope(&"-W 1 -- x".into()).is_err());
        assert!(gamescope(&"'".into()).is_err());
    }

    #[test]
    fn the_last_good_limit_counts() {
        let wishes = ["200", "x", "300", "0"].map(|value| Wish::CpuWeight(value.into())).to_vec();
        assert_eq!(limits(&wishes), GameLimits { cpu_weight: Some(300), memory_low: None });
    }

    #[test]
    fn settings_are_written_as_they_are_typed() {
        let words = |wish: Wish| wish.words().unwrap().join(" ");
        assert_eq!(words(Wish::Nice("-5".into())), "--nice -5");
        assert_eq!(words(Wish::MangoHud { gl: false }), "--mangohud");
        assert_eq!(words(Wish::MangoHud { gl: true }), "--mangohud=gl");
        assert_eq!(words(Wish::Gamescope("-W 1".into())), "--gamescope -W 1");
    }
}
