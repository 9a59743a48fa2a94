//! `--log-driver`: where a container's output is kept.

use serde::{Deserialize, Serialize};

/// The drivers, by podman's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogDriver {
    /// A file of the container's own: it needs no daemon, and its owner can always read it.
    #[default]
    #[serde(rename = "k8s-file")]
    K8sFile,
    /// Another name of the same.
    #[serde(rename = "json-file")]
    JsonFile,
    /// The systemd journal.
    #[serde(rename = "journald")]
    Journald,
    /// Nowhere.
    #[serde(rename = "none")]
    None,
    /// The program has the standard streams of whoever starts it.
    #[serde(rename = "passthrough")]
    Passthrough,
    /// The same, also where they are a terminal.
    #[serde(rename = "passthrough-tty")]
    PassthroughTty,
}

impl LogDriver {
    /// All of them.
    pub const ALL: [LogDriver; 6] = [
        LogDriver::K8sFile,
        LogDriver::JsonFile,
        LogDriver::Journald,
        LogDriver::None,
        LogDriver::Passthrough,
        LogDriver::PassthroughTty,
    ];

    /// By its name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|driver| driver.word() == name)
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            LogDriver::K8sFile => "k8s-file",
            LogDriver::JsonFile => "json-file",
            LogDriver::Journald => "journald",
            LogDriver::None => "none",
            LogDriver::Passthrough => "passthrough",
            LogDriver::PassthroughTty => "passthrough-tty",
        }
    }

    /// There is a log file.
    pub fn has_file(self) -> bool {
        matches!(self, LogDriver::K8sFile | LogDriver::JsonFile)
    }

    /// Nothing goes through the supervisor.
    pub fn is_passthrough(self) -> bool {
        matches!(self, LogDriver::Passthrough | LogDriver::PassthroughTty)
    }
}
