//! Vulkan drivers, by the manifests that the loader reads (Vulkan-Loader,
//! LoaderDriverInterface.md). The drivers themselves are not loaded.

use super::Vendor;
use crate::sys::small;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// One Vulkan driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Icd {
    /// The manifest's name without its ending: `nvidia_icd`, `radeon_icd.x86_64`.
    pub name: String,
    /// Whose GPUs it drives.
    pub vendor: Vendor,
    /// The Vulkan version it offers, `1.3.274`.
    pub api: String,
    /// Its extensions. `None`: unknown, since only the driver itself could tell.
    #[serde(default)]
    pub extensions: Option<Vec<String>>,
}

/// Where the loader looks for manifests.
const DIRS: &[&str] = &[
    "etc/vulkan/icd.d",
    "usr/local/etc/vulkan/icd.d",
    "usr/local/share/vulkan/icd.d",
    "usr/share/vulkan/icd.d",
];
/// No manifest is larger.
const MAX: u64 = 64 << 10;

#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "ICD")]
    icd: Body,
}

#[derive(Deserialize)]
struct Body {
    library_path: String,
    api_version: String,
}

/// The drivers below `root` (`/`), by name. Manifests that cannot be read are passed over, as the
/// loader does.
pub fn list(root: &Path) -> Vec<Icd> {
    let mut found: Vec<Icd> = Vec::new();
    for dir in DIRS {
        for entry in fs::read_dir(root.join(dir)).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let json = path.extension().is_some_and(|ext| ext == "json");
            let small = entry.metadata().is_ok_and(|m| m.len() <= MAX);
            if !json || !small || found.iter().any(|icd| icd.name == name) {
                continue;
            }
            let manifest = small::read_regular(&path)
                .ok()
                .and_then(|b| serde_json::from_slice::<Manifest>(&b).ok());
            if let Some(Manifest { icd }) = manifest {
                let vendor = vendor(&icd.library_path);
                found.push(Icd { name, vendor, api: icd.api_version, extensions: None });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn vendor(library: &str) -> Vendor {
    let file = library.rsplit('/').next().unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| file.contains(word));
    if has(&["GLX_nvidia", "nvidia", "nouveau"]) {
        Vendor::Nvidia
    } else if has(&["radeon", "amdvlk"]) {
        Vendor::Amd
    } else if has(&["intel"]) {
        Vendor::Intel
    } else {
        Vendor::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::Tree;

    #[test]
    fn manifests_tell_vendor_and_version() {
        let tree = Tree::new("icd");
        let manifest = |library: &str, api: &str| {
            format!(
                r#"{{"file_format_version":"1.0.0","ICD":{{"library_path":"{library}","api_version":"{api}"}}}}"#
            )
        };
        let share = "usr/share/vulkan/icd.d";
        tree.put(&format!("{share}/nvidia_icd.json"), &manifest("libGLX_nvidia.so.0", "1.3.242"));
        tree.put(
            &format!("{share}/radeon_icd.x86_64.json"),
            &manifest("/usr/lib/x86_64-linux-gnu/libvulkan_radeon.so", "1.3.230"),
        );
        tree.put(&format!("{share}/lvp_icd.x86_64.json"), &manifest("libvulkan_lvp.so", "1.3.230"));
        tree.put(&format!("{share}/bad.json"), "{");
        tree.put(&format!("{share}/readme"), "");
        let found = list(&tree.0);
        let told: Vec<_> =
            found.iter().map(|i| (i.name.as_str(), i.vendor, i.api.as_str())).collect();
        let expected = [
            ("lvp_icd.x86_64", Vendor::Other, "1.3.230"),
            ("nvidia_icd", Vendor::Nvidia, "1.3.242"),
            ("radeon_icd.x86_64", Vendor::Amd, "1.3.230"),
        ];
        assert_eq!(told, expected);
    }
}
