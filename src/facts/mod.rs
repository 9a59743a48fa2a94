//! L2: what variants of games are chosen by: processor, kernel, memory, GPUs, Vulkan drivers,
//! Proton builds. Read from files only; as JSON it can be written down and replayed elsewhere
//! (`bolt info --facts`, `BOLT_HOST_FACTS`).

use crate::gpu::vulkan::{self, Icd};
use crate::gpu::{self, Gpu};
use crate::image::platform;
use crate::image::types::Platform;
use crate::proton::{self, ProtonBuild};
use crate::sys::small;
use crate::ui::{json_fault, print};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Version of the format.
const VERSION: u32 = 1;
/// No file of facts is larger.
const MAX: u64 = 1 << 20;

/// What the kernel can do for games.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KernelFeature {
    /// `/dev/ntsync`, in Linux since 6.14.
    Ntsync,
    /// futex_waitv(2), since 5.16.
    FutexWaitv,
}

impl KernelFeature {
    /// As it is written in metadata.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Ntsync => "ntsync",
            Self::FutexWaitv => "futex_waitv",
        }
    }
}

/// The kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with release and features")]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// What it can do.
    #[serde(default)]
    pub features: Vec<KernelFeature>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with version, platform, kernel and memory_mb")]
pub struct HostFacts {
    /// Format version, 1.
    pub version: u32,
    /// `os/arch[/variant]`, Go's names; the variant of amd64 is its level (`linux/amd64/v3`).
    pub platform: String,
    /// The kernel.
    pub kernel: Kernel,
    /// Memory, MiB.
    pub memory_mb: u64,
    /// Graphics processors.
    #[serde(default)]
    pub gpus: Vec<Gpu>,
    /// Vulkan drivers.
    #[serde(default)]
    pub vulkan: Vec<Icd>,
    /// Proton builds.
    #[serde(default)]
    pub proton: Vec<ProtonBuild>,
    /// What could not be read, by file and reason: builds that it leads to are not in `proton`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// Why a file of facts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The file cannot be read.
    #[error("read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// It is no record of facts.
    #[error("{}: {reason}; `bolt info --facts` writes such a file", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

impl HostFacts {
    /// Reads this machine: its files below `root` (`/`), and the user's below `home`.
    pub fn gather(root: &Path, home: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let release = text("proc/sys/kernel/osrelease").trim().to_owned();
        let mut features = Vec::new();
        if root.join("dev/ntsync").exists() {
            features.push(KernelFeature::Ntsync);
        }
        if major_minor(&release) >= (5, 16) {
            features.push(KernelFeature::FutexWaitv);
        }
        let (proton, unread) = proton::list(root, home);
        HostFacts {
            version: VERSION,
            platform: platform::show(&platform::host()),
            kernel: Kernel { release, features },
            memory_mb: memory_mb(&text("proc/meminfo")),
            gpus: gpu::list(root),
            vulkan: vulkan::list(root),
            proton,
            unread: unread.iter().map(|broken| print::causes(broken)).collect(),
        }
    }

    /// Reads a record of another machine.
    pub fn load(file: &Path) -> Result<Self, FactsError> {
        let read = |source| FactsError::Read { file: file.to_owned(), source };
        let text = small::read_at_most(file, MAX).map_err(read)?;
        Self::parse(file, &text)
    }

    /// Reads the bytes of a record; `file` is for messages.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, FactsError> {
        let shape = |reason: String| FactsError::Shape { file: file.to_owned(), reason };
        if bytes.len() as u64 > MAX {
            return Err(shape(format!("it is larger than {} KiB", MAX >> 10)));
        }
        let facts: Self = json_fault::read(bytes).map_err(|e| shape(e.to_string()))?;
        if facts.version != VERSION {
            return Err(shape(format!("version {} is not known, only {VERSION}", facts.version)));
        }
        platform::parse(&facts.platform).map_err(|e| shape(format!("platform: {e}")))?;
        Ok(facts)
    }

    /// Its platform, for the choice within an index.
    pub fn platform(&self) -> Platform {
        platform::parse(&self.platform).unwrap_or_else(|_| platform::host())
    }
}

fn major_minor(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn memory_mb(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::Tree;

    #[test]
    fn facts_are_read_and_replayed() {
        let tree = Tree::new("facts");
        tree.put("proc/sys/kernel/osrelease", "6.14.2-arch1-1\n");
        tree.put("proc/meminfo", "MemTotal:       32768000 kB\nMemFree: 1 kB\n");
        tree.put("dev/ntsync", "");
        let facts = HostFacts::gather(&tree.0, &tree.0.join("home"));
        assert_eq!(facts.kernel.features, [KernelFeature::Ntsync, KernelFeature::FutexWaitv]);
        assert_eq!(facts.memory_mb, 32000);
        let replayed = |facts: &HostFacts| {
            HostFacts::parse(Path::new("f"), &serde_json::to_vec(facts).unwrap()).unwrap()
        };
        assert_eq!((replayed(&facts), facts.unread.len()), (facts, 0));
        let libraries = "home/.local/share/Steam/steamapps/libraryfolders.vdf";
        tree.put(libraries, "\"libraryfolders\" { \"0\" {");
        let facts = HostFacts::gather(&tree.0, &tree.0.join("home"));
        assert_eq!(facts.unread.len(), 1);
        assert!(facts.unread[0].contains("libraryfolders.vdf is broken"), "{:?}", facts.unread);
        assert_eq!(replayed(&facts), facts);
        assert_eq!(major_minor("5.15.0-91-generic"), (5, 15));
    }

    #[test]
    fn a_record_with_faults_is_refused_with_words() {
        let good =
            r#"{"version":1,"platform":"linux/amd64/v3","kernel":{"release":"6.1"},"memory_mb":1}"#;
        assert!(HostFacts::parse(Path::new("f"), good.as_bytes()).is_ok());
        for (from, to, word) in [
            ("\"version\":1", "\"version\":2", "version 2 is not known"),
            ("memory_mb", "memory", "unknown field `memory`"),
            ("linux/amd64/v3", "linux", "platform"),
            ("{\"release\":\"6.1\"}", "7", "kernel: invalid type"),
            ("\"6.1\"", "[]", "kernel.release: invalid type"),
            (good, "[]", "expected an object with version, platform, kernel and memory_mb"),
        ] {
            let text = good.replace(from, to);
            let error = HostFacts::parse(Path::new("/f.json"), text.as_bytes()).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with("/f.json: ") && error.contains(word), "{error}");
        }
    }
}
