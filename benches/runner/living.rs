//! Containers that run while others are measured.

use super::parts::Parts;
use super::people::Person;
use std::fs;
use std::path::PathBuf;

/// A container that waits for SIGTERM; removed when dropped.
pub(crate) struct Living {
    bolt: PathBuf,
    person: Person,
    name: String,
    /// Its pid 1.
    pub(crate) init: u32,
    /// Its supervisor: a bolt-shim.
    pub(crate) supervisor: u32,
}

impl Living {
    /// Runs `/probe pause` in the background.
    pub(crate) fn start(parts: &Parts, person: &Person, image: &str, name: &str) -> Self {
        Self::with(parts, person, image, name, &["/probe", "pause"])
    }

    /// Runs what `payload` says in the background.
    pub(crate) fn with(
        parts: &Parts,
        person: &Person,
        image: &str,
        name: &str,
        payload: &[&str],
    ) -> Self {
        let words = ["run", "-d", "--name", name, "--network", "none", image];
        super::output(person.command(&parts.bolt).args(words).args(payload));
        let text = super::output(person.command(&parts.bolt).args(["inspect", name]));
        let init = after(&text, "\"Pid\":");
        let status = fs::read_to_string(format!("/proc/{init}/status")).unwrap_or_default();
        let supervisor = after(&status, "PPid:");
        Living {
            bolt: parts.bolt.clone(),
            person: person.clone(),
            name: name.to_owned(),
            init,
            supervisor,
        }
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        let _ = self.person.command(&self.bolt).args(["rm", "-f", "-t", "0", &self.name]).output();
    }
}

/// The number that follows `key`.
fn after(text: &str, key: &str) -> u32 {
    let rest = text.split_once(key).map_or("", |(_, rest)| rest.trim_start());
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| super::fail(format_args!("no {key} of a living container")))
}

/// Memory of a process from smaps_rollup: proportional set and private dirty, KiB.
pub(crate) fn memory(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    (u64::from(after(&text, "\nPss:")), u64::from(after(&text, "\nPrivate_Dirty:")))
}
