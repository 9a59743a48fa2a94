//! What a publisher says about one variant of a game: the schema behind `dev.bolt.gaming.v1`.
//! Documented in `docs/metadata.md`; `docs/metadata.schema.json` is made from these types.

use crate::facts::KernelFeature;
use crate::game::range::Range;
use crate::gpu::Vendor;
use crate::ui::json_fault::{self, JsonFault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest metadata that is read, in bytes.
pub const MAX: usize = 256 << 10;
/// Most entries of any of its lists.
const MAX_LIST: usize = 64;
/// Longest of its texts, in bytes.
const MAX_TEXT: usize = 512;

/// Why metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Too long.
    #[error("it is larger than {} KiB", MAX >> 10)]
    TooLarge,
    /// Not JSON, an unknown field, or a value of another type.
    #[error("it is not valid: {0}; write it anew with `bolt image annotate`")]
    Json(JsonFault),
    /// Not TOML, an unknown field, or a value of another type.
    #[error("line {line}: {reason}")]
    Toml {
        /// From 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// A field has an impossible value, or contradicts another.
    #[error("{field}: {reason}")]
    Field {
        /// The field, dotted.
        field: String,
        /// What is wrong, and what to write.
        reason: String,
    },
}

/// Not as a source: the words of the error have it already.
impl From<JsonFault> for MetadataError {
    fn from(error: JsonFault) -> Self {
        Self::Json(error)
    }
}

/// What a variant is made for, in the order in which one is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// To be streamed.
    Streaming,
    /// Best picture.
    Quality,
    /// Between the two.
    Balanced,
    /// Most frames, least delay.
    Competitive,
}

impl Tier {
    /// Every one, in their order.
    pub const ALL: [Tier; 4] = [Tier::Streaming, Tier::Quality, Tier::Balanced, Tier::Competitive];

    /// As it is written.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Quality => "quality",
            Self::Balanced => "balanced",
            Self::Competitive => "competitive",
        }
    }
}

/// A GPU that the variant can use. Of several, one is enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GpuNeed {
    /// Who makes it.
    pub vendor: Vendor,
    /// Version of NVIDIA's driver, or of Mesa for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<Range>,
    /// Kernel drivers that will do. Left out: `nvidia` for NVIDIA, any for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernel_drivers: Vec<String>,
    /// Memory of its own, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_vram_mb: Option<u64>,
}

/// What Vulkan must offer on that GPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct VulkanNeed {
    /// Version of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Range>,
    /// Device extensions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
}

/// What the kernel must offer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct KernelNeed {
    /// Version of the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Range>,
    /// What it can do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<KernelFeature>,
}

/// How the variant comes to Proton.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ProtonNeed {
    /// The build that the image brings along; then nothing is asked of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundled: Option<String>,
    /// Names of builds on the host that will do, the best first; `*` at the end stands for anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub builds: Vec<String>,
    /// Version of the build on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Range>,
}

/// What an anti-cheat makes of the variant; for people, nothing is refused by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum AntiCheat {
    /// It runs.
    Works,
    /// It runs after something was set up.
    Setup,
    /// It does not run.
    Broken,
}

/// A result that the publisher measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// PCI vendor and device, `10de:2684`.
    pub gpu: String,
    /// Frames in a second, on the average.
    pub fps_avg: f64,
    /// Frames in a second in the slowest hundredth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps_low1: Option<f64>,
}

/// One variant of a game.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Metadata {
    /// Its name among the variants: `nvidia`, `amd-ntsync`, `generic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The game's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The game's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Steam's number of the game.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steam_appid: Option<u32>,
    /// Steam's number of the runtime it was built for (1628350 is sniper).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_appid: Option<u32>,
    /// What it is made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// GPUs that will do; none: any machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpu: Vec<GpuNeed>,
    /// What Vulkan must offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulkan: Option<VulkanNeed>,
    /// What the kernel must offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelNeed>,
    /// Least memory of the machine, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_memory_mb: Option<u64>,
    /// Proton.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proton: Option<ProtonNeed>,
    /// Version of Wine within the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wine_version: Option<String>,
    /// Version of DXVK within the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dxvk_version: Option<String>,
    /// Anti-cheats by name: `eac`, `battleye`, `vac`, `denuvo`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub anti_cheat: BTreeMap<String, AntiCheat>,
    /// The optimisation profile that goes with it: an image name with digest, or a digest of the
    /// same repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What the publisher measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Promise>,
    /// Bytes to fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_bytes: Option<u64>,
    /// Bytes on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpacked_bytes: Option<u64>,
}

impl Metadata {
    /// Reads and checks one document.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        if bytes.len() > MAX {
            return Err(MetadataError::TooLarge);
        }
        // The fields of an object would be taken from an array too, one after the other.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(JsonFault::new("an array stands where an object belongs").into());
        }
        let found: Self = json_fault::read(bytes)?;
        found.check()?;
        Ok(found)
    }

    /// Reads and checks a document that a publisher wrote by hand.
    pub fn from_toml(text: &str) -> Result<Self, MetadataError> {
        let found: Self = toml::from_str(text).map_err(|e| MetadataError::Toml {
            line: e.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count()),
            reason: e.message().to_owned(),
        })?;
        found.check()?;
        Ok(found)
    }

    /// Contradictions, and sizes that no honest document has.
    pub fn check(&self) -> Result<(), MetadataError> {
        let fault = |field: &str, reason: &str| {
            Err(MetadataError::Field { field: field.to_owned(), reason: reason.to_owned() })
        };
        let lists = [
            ("gpu", self.gpu.len()),
            ("measured", self.measured.len()),
            ("anti_cheat", self.anti_cheat.len()),
            ("vulkan.extensions", self.vulkan.as_ref().map_or(0, |v| v.extensions.len())),
            ("proton.builds", self.proton.as_ref().map_or(0, |p| p.builds.len())),
        ];
        if let Some((field, _)) = lists.iter().find(|(_, len)| *len > MAX_LIST) {
            return fault(field, &format!("it has more than {MAX_LIST} entries"));
        }
        for (field, text) in self.texts() {
            if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
                let reason = format!("write 1 to {MAX_TEXT} bytes without control characters");
                return fault(field, &reason);
            }
        }
        if let Some(proton) = &self.proton
            && proton.bundled.is_some()
            && (proton.version.is_some() || !proton.builds.is_empty())
        {
            let reason = "the image brings its own Proton, so builds and version ask for nothing; \
                          keep one of the two";
            return fault("proton.bundled", reason);
        }
        for promise in &self.measured {
            let numbers = [Some(promise.fps_avg), promise.fps_low1];
            if numbers.into_iter().flatten().any(|n| !(n > 0.0 && n < 100_000.0)) {
                return fault("measured", "frames in a second are a number above 0");
            }
        }
        Ok(())
    }

    /// What a publisher must not promise, besides what no reader takes: a GPU that no machine has,
    /// a slowest hundredth that is faster than the average.
    pub fn check_promises(&self) -> Result<(), MetadataError> {
        let digits = |text: &str| {
            text.len() == 4 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        for promise in &self.measured {
            let pci = promise.gpu.split_once(':');
            let reason = if !pci.is_some_and(|(vendor, device)| digits(vendor) && digits(device)) {
                let gpu: String = promise.gpu.chars().take(60).collect();
                format!(
                    "gpu {gpu:?} is no PCI vendor and device in lower case, such as 10de:2684 \
                     (`bolt info --facts` shows that of a machine)"
                )
            } else if promise.fps_low1.is_some_and(|low| low > promise.fps_avg) {
                format!("fps_low1 of {} is above fps_avg", promise.gpu)
            } else {
                continue;
            };
            return Err(MetadataError::Field { field: "measured".to_owned(), reason });
        }
        Ok(())
    }

    fn texts(&self) -> Vec<(&'static str, &str)> {
        let mut texts = Vec::new();
        for (field, text) in [
            ("variant", &self.variant),
            ("title", &self.title),
            ("version", &self.version),
            ("wine_version", &self.wine_version),
            ("dxvk_version", &self.dxvk_version),
            ("profile", &self.profile),
        ] {
            texts.extend(text.as_deref().map(|text| (field, text)));
        }
        if let Some(proton) = &self.proton {
            texts.extend(proton.bundled.as_deref().map(|text| ("proton.bundled", text)));
            texts.extend(proton.builds.iter().map(|text| ("proton.builds", text.as_str())));
        }
        for need in &self.gpu {
            texts.extend(need.kernel_drivers.iter().map(|t| ("gpu.kernel_drivers", t.as_str())));
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_document_is_read_and_written_the_same() {
        let text = r#"{"variant":"nvidia","steam_appid":70,"tier":"competitive","gpu":[{"vendor":"nvidia","driver":">=550","min_vram_mb":8000}],"vulkan":{"version":">=1.3","extensions":["VK_KHR_present_wait"]},"kernel":{"features":["ntsync"]},"proton":{"builds":["GE-Proton9-*"]},"anti_cheat":{"eac":"works"},"measured":[{"gpu":"10de:2684","fps_avg":144.0}]}"#;
        let found = Metadata::parse(text.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&found).unwrap(), text);
        assert_eq!(Metadata::parse(b"{}").unwrap(), Metadata::default());
    }

    #[test]
    fn faults_are_told_with_their_field() {
        let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(600));
        let many =
            format!(r#"{{"measured":[{}]}}"#, vec![r#"{"gpu":"a","fps_avg":1}"#; 65].join(","));
        for (text, words) in [
            ("[", "not valid"),
            (r#"{"tier":5}"#, "tier: a number does not belong there"),
            (
                r#"{"gpu":[{"vendor":"amd","driver":">=600, <500"}]}"#,
                "gpu[0].driver: the range \">=600, <500\" contradicts itself",
            ),
            (r#"{"tier":5}"#, "`bolt image annotate`"),
            (r#" ["posit"]"#, "an array stands where an object belongs"),
            (r#"{"gpus":[]}"#, "unknown field `gpus`"),
            (r#"{"tier":"best"}"#, "unknown variant `best`"),
            (r#"{"steam_appid":"70"}"#, "invalid type: string"),
            (r#"{"gpu":[{"vendor":"amd","driver":">=25, <24"}]}"#, "contradicts itself"),
            (r#"{"kernel":{"version":"6.14"}}"#, "not a range"),
            (
                r#"{"proton":{"bundled":"GE-Proton9-7","builds":["x"]}}"#,
                "proton.bundled: the image",
            ),
            (r#"{"measured":[{"gpu":"a","fps_avg":-1}]}"#, "measured: frames"),
            (r#"{"variant":"a\u001b[31m"}"#, "variant: write 1 to"),
            (&long, "title: write 1 to"),
            (&many, "measured: it has more than 64"),
        ] {
            let error = Metadata::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(matches!(Metadata::parse(&vec![b' '; MAX + 1]), Err(MetadataError::TooLarge)));
    }

    /// `BOLT_BLESS=1 cargo test schema_is_current` writes it anew.
    #[test]
    fn schema_is_current() {
        let schema = schemars::schema_for!(Metadata);
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metadata.schema.json");
        if std::env::var_os("BOLT_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "docs/metadata.schema.json is not current: BOLT_BLESS=1");
    }
}
