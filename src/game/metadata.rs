//! What a publisher says of one variant of a game. `docs/metadata.md` explains each field with an
//! example; `docs/game-metadata.schema.json` is generated from these types.
//!
//! Unknown fields are refused everywhere: a mistyped constraint would otherwise be none at all.

use crate::game::{Version, check};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
use schemars::JsonSchema;

/// Requirements and facts of one image variant of a game.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    /// Name of the variant as people are shown it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the variant was built for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The processor it needs.
    #[serde(skip_serializing_if = "is_default")]
    pub cpu: Cpu,
    /// The main memory it needs.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: Memory,
    /// The kernel it needs.
    #[serde(skip_serializing_if = "is_default")]
    pub kernel: Kernel,
    /// The graphics it needs.
    #[serde(skip_serializing_if = "is_default")]
    pub gpu: Gpu,
    /// The Vulkan it needs.
    #[serde(skip_serializing_if = "is_default")]
    pub vulkan: Vulkan,
    /// The Proton it needs or brings.
    #[serde(skip_serializing_if = "is_default")]
    pub proton: Proton,
    /// The Wine it brings; nothing is asked of the host.
    #[serde(skip_serializing_if = "is_default")]
    pub wine: Wine,
    /// What the game is in Steam.
    #[serde(skip_serializing_if = "is_default")]
    pub steam: Steam,
    /// Anti-cheat systems of the game and whether they let it run here. Refuses nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anti_cheat: Vec<AntiCheat>,
    /// How much room it takes.
    #[serde(skip_serializing_if = "is_default")]
    pub size: Size,
    /// What the publisher measured. Shown, never counted: other machines are not this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Measurement>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a variant was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The picture is sent from elsewhere, or sent elsewhere; least is asked of the machine.
    Streaming,
    /// Most frames and least latency, at the cost of the picture.
    Competitive,
    /// Between the two; what a variant without a tier counts as.
    Balanced,
    /// The best picture.
    Quality,
}

/// The processor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Cpu {
    /// Architecture by Go's name (`amd64`, `arm64`), where the index's platform does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// x86-64 micro-architecture level, 1 to 4 (x86-64 psABI).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1, max = 4)))]
    pub level: Option<u8>,
}

/// Main memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Least memory of the machine in MiB. A machine sold with 8 GiB reports some 7,600 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_mib: Option<u64>,
}

/// The kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Kernel {
    /// Oldest release of Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Version>,
    /// What it has to offer.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub features: BTreeSet<KernelFeature>,
}

/// Features of the kernel that Windows games gain from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KernelFeature {
    /// `/dev/ntsync`: the synchronisation objects of Windows, Linux 6.14 and its module.
    Ntsync,
    /// `futex_waitv(2)`: waiting for several futexes, Linux 5.16.
    FutexWaitv,
}

/// Who made a graphics processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// PCI vendor 10de.
    Nvidia,
    /// PCI vendor 1002.
    Amd,
    /// PCI vendor 8086.
    Intel,
    /// Any other, virtual ones too.
    Other,
}

/// Families of drivers. A version belongs to its family only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// NVIDIA's own kernel module, open or closed; versions such as 550.54.14.
    Nvidia,
    /// Mesa, whatever the kernel's driver; versions such as 24.2.7.
    Mesa,
}

/// The graphics processor. One of the machine's must satisfy all of this and of `vulkan`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Gpu {
    /// A graphics processor must be there. Naming vendors, drivers or video memory asks for one too.
    #[serde(skip_serializing_if = "is_default")]
    pub required: bool,
    /// Makers it was built for; empty means any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub vendors: BTreeSet<Vendor>,
    /// Drivers it runs with and their versions; empty means any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub drivers: BTreeMap<Driver, Range>,
    /// Least video memory in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_vram_mib: Option<u64>,
}

impl Gpu {
    /// A machine without a graphics processor cannot satisfy this.
    pub fn is_asked_for(&self) -> bool {
        let named = !self.vendors.is_empty() || !self.drivers.is_empty();
        self.required || named || self.min_vram_mib.is_some()
    }
}

/// Versions from one to another, both included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Range {
    /// Oldest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Version>,
    /// Newest. It counts by the numbers it gives: 550.54 is within `550`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Version>,
}

impl Range {
    /// The version lies between the two.
    pub fn holds(&self, version: &Version) -> bool {
        let old_enough = self.max.as_ref().is_none_or(|max| version.is_within(max));
        old_enough && self.min.as_ref().is_none_or(|min| version.reaches(min))
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.min, &self.max) {
            (Some(min), Some(max)) => write!(f, "{min} to {max}"),
            (Some(min), None) => write!(f, "{min} or newer"),
            (None, Some(max)) => write!(f, "{max} or older"),
            (None, None) => f.write_str("any"),
        }
    }
}

/// The Vulkan driver of the graphics processor, or the software one where none is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Vulkan {
    /// Least version of the interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Version>,
    /// Device extensions, such as `VK_EXT_graphics_pipeline_library`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub extensions: BTreeSet<String>,
}

/// Valve's Proton or a build of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Proton {
    /// The build that the image brings; then nothing is asked of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundled: Option<String>,
    /// Oldest release on the host. Other builds than Valve's are compared by their first number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Version>,
    /// Newest release on the host, by the numbers it gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Version>,
    /// Builds on the host, one of which must be there, such as `GE-Proton9-20`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub builds: BTreeSet<String>,
}

impl Proton {
    /// A Proton of the host is needed.
    pub fn is_asked_for(&self) -> bool {
        self.bundled.is_none()
            && (self.min.is_some() || self.max.is_some() || !self.builds.is_empty())
    }
}

/// What the image brings to run Windows programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Wine {
    /// Version of Wine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version of DXVK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dxvk: Option<String>,
    /// Version of vkd3d-proton.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vkd3d_proton: Option<String>,
}

/// Numbers that Steam gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Steam {
    /// Of the game.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appid: Option<u32>,
    /// Of the runtime it needs: 1391110 soldier, 1628350 sniper, 4183110 steamrt4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_appid: Option<u32>,
}

/// One anti-cheat system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AntiCheat {
    /// Its name: `eac`, `battleye`, `vac`, `denuvo`.
    pub name: String,
    /// What it does on Linux.
    pub status: AntiCheatStatus,
}

/// What an anti-cheat system does on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AntiCheatStatus {
    /// Lets the game run.
    Supported,
    /// Lets it run away from the protected servers.
    Offline,
    /// Keeps it from running.
    Blocked,
}

/// Bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Size {
    /// To be fetched when nothing is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_bytes: Option<u64>,
    /// On disk once unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_bytes: Option<u64>,
}

/// One result that the publisher measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The graphics processor, as people call it.
    pub gpu: String,
    /// Version of its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Frames per second on average.
    pub average_fps: f64,
    /// Frames per second that 99 % of the frames reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_1_percent_fps: Option<f64>,
    /// Width and height of the picture, such as `2560x1440`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// Why metadata cannot be used: which field, what is wrong, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("game metadata, {field}: {problem}; {fix}")]
pub struct MetadataError {
    /// The field by its path, `gpu.drivers.nvidia`, or where in the text.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to write.
    pub fix: String,
}

impl Metadata {
    /// Reads and checks JSON.
    pub fn from_json(text: &[u8]) -> Result<Self, MetadataError> {
        let metadata: Metadata = serde_json::from_slice(text).map_err(|e| unreadable(&e))?;
        check::whole(&metadata)?;
        Ok(metadata)
    }

    /// Reads and checks TOML, which publishers write by hand.
    pub fn from_toml(text: &str) -> Result<Self, MetadataError> {
        let metadata: Metadata = toml::from_str(text).map_err(|e| unreadable(&e))?;
        check::whole(&metadata)?;
        Ok(metadata)
    }

    /// The same in compact JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Refuses contradictions, for metadata put together field by field.
    pub fn check(&self) -> Result<(), MetadataError> {
        check::whole(self)
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> MetadataError {
    let said = error.to_string();
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    // toml points with a drawing: the place stands first, what is wrong last.
    let (first, last) = (lines.next().unwrap_or_default(), lines.next_back());
    let (field, problem) = match last {
        Some(last) => (first.to_owned(), last.to_owned()),
        None => match first.rsplit_once(" at line ") {
            Some((problem, place)) => (format!("line {place}"), problem.to_owned()),
            None => ("the text".to_owned(), first.to_owned()),
        },
    };
    MetadataError { field, problem, fix: "docs/metadata.md lists the fields".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_say_the_same() {
        let toml = "tier = \"quality\"\n[gpu]\nvendors = [\"nvidia\"]\nmin_vram_mib = 6144\n\
                    [gpu.drivers.nvidia]\nmin = \"535.98\"\n[kernel]\nfeatures = [\"ntsync\"]\n";
        let read = Metadata::from_toml(toml).expect("TOML");
        assert_eq!(read.tier, Some(Tier::Quality));
        assert_eq!(read.gpu.drivers[&Driver::Nvidia].to_string(), "535.98 or newer");
        let json = read.to_json();
        assert_eq!(Metadata::from_json(json.as_bytes()).as_ref(), Ok(&read), "{json}");
        assert!(!json.contains("wine"), "what is not said is not written: {json}");
    }

    #[test]
    fn a_typo_is_refused_by_name() {
        let error = Metadata::from_json(b"{\"gpu\":{\"vendor\":[\"nvidia\"]}}").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("unknown field `vendor`") && text.contains("vendors"), "{text}");
        let error = Metadata::from_toml("[gpu]\nmin_vram = 4\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("`min_vram`"), "{error}");
        assert!(Metadata::from_json(b"{\"gpu\":{\"vendors\":[\"nvidea\"]}}").is_err());
        assert!(Metadata::from_json(b"{\"kernel\":{\"min\":6}}").is_err());
    }
}
