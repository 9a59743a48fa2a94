//! What a container has to do with a service manager, with scripts, and with other containers.

use super::state::Recorded;
use crate::sys::small;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Flags of `create` that no process of the container sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unit {
    /// `--sdnotify`, where it was typed.
    pub sdnotify: Option<SdNotify>,
    /// `--cgroups`.
    pub cgroups: Cgroups,
    /// `--pidfile`: gets the payload's pid, absolute.
    pub pidfile: Option<PathBuf>,
    /// `--conmon-pidfile`: gets the supervisor's pid, absolute.
    pub conmon_pidfile: Option<PathBuf>,
    /// `--requires`: ids of the containers that are started before this one.
    pub requires: Vec<String>,
}

impl Unit {
    /// What is done with `NOTIFY_SOCKET`.
    pub fn sdnotify(&self) -> SdNotify {
        self.sdnotify.unwrap_or_default()
    }

    /// Whether files with pids were asked for.
    pub fn has_pidfiles(&self) -> bool {
        self.pidfile.is_some() || self.conmon_pidfile.is_some()
    }

    /// Removes the pid files of a run that is over and whose supervisor was killed before it
    /// could. What another container has written there since is left to it.
    pub fn remove_pidfiles(&self, recorded: &Recorded) {
        for (path, pid) in [(&self.pidfile, recorded.pid), (&self.conmon_pidfile, recorded.monitor)]
        {
            if let Some(path) = path
                && small::read_regular(path).is_ok_and(|text| text == pid.to_string().as_bytes())
            {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// `--sdnotify`: who says that a service is ready (podman-run(1), sd_notify(3)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SdNotify {
    /// The payload.
    #[default]
    Container,
    /// Bolt, when the payload runs.
    Conmon,
    /// Bolt, when the payload is healthy for the first time.
    Healthy,
    /// Nobody.
    Ignore,
}

impl SdNotify {
    const WORDS: [(SdNotify, &'static str); 4] = [
        (SdNotify::Container, "container"),
        (SdNotify::Conmon, "conmon"),
        (SdNotify::Healthy, "healthy"),
        (SdNotify::Ignore, "ignore"),
    ];

    /// As it is typed.
    pub fn word(self) -> &'static str {
        SdNotify::WORDS.iter().find(|(mode, _)| *mode == self).map_or("", |(_, word)| word)
    }

    /// What was typed; `None`: no such mode.
    pub fn of(word: &str) -> Option<Self> {
        SdNotify::WORDS.iter().find(|(_, known)| *known == word).map(|(mode, _)| *mode)
    }
}

/// `--cgroups`: where the container's control group lies (podman-run(1)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroups {
    /// One of its own, wherever it can be made.
    #[default]
    Enabled,
    /// None: it stays in the caller's.
    Disabled,
    /// One of its own; the supervisor stays in the caller's.
    NoConmon,
    /// Both in leaves of the caller's.
    Split,
}

impl Cgroups {
    const WORDS: [(Cgroups, &'static str); 4] = [
        (Cgroups::Enabled, "enabled"),
        (Cgroups::Disabled, "disabled"),
        (Cgroups::NoConmon, "no-conmon"),
        (Cgroups::Split, "split"),
    ];

    /// As it is typed.
    pub fn word(self) -> &'static str {
        Cgroups::WORDS.iter().find(|(mode, _)| *mode == self).map_or("", |(_, word)| word)
    }

    /// What was typed; `None`: no such mode.
    pub fn of(word: &str) -> Option<Self> {
        Cgroups::WORDS.iter().find(|(_, known)| *known == word).map(|(mode, _)| *mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_and_an_old_config_has_none() {
        for (mode, word) in SdNotify::WORDS {
            assert_eq!((SdNotify::of(word), mode.word()), (Some(mode), word));
        }
        for (mode, word) in Cgroups::WORDS {
            assert_eq!((Cgroups::of(word), mode.word()), (Some(mode), word));
        }
        assert_eq!(Cgroups::of("on"), None);
        let unit: Unit = serde_json::from_str(r#"{"cgroups":"no-conmon"}"#).unwrap();
        assert_eq!((unit.cgroups, unit.sdnotify()), (Cgroups::NoConmon, SdNotify::Container));
    }
}
