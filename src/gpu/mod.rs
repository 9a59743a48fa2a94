//! L2: the graphics processors of this machine, read from /sys and /proc. Nothing is opened for
//! rendering, no library is loaded, no program is run.

mod mesa;
pub mod vulkan;

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// Who makes a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// PCI vendor 10de.
    Nvidia,
    /// PCI vendor 1002.
    Amd,
    /// PCI vendor 8086.
    Intel,
    /// Anybody else, and virtual ones.
    Other,
}

impl Vendor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nvidia, Self::Amd, Self::Intel, Self::Other];

    /// As metadata, profiles and command lines name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nvidia => "nvidia",
            Self::Amd => "amd",
            Self::Intel => "intel",
            Self::Other => "other",
        }
    }

    /// As people write it.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Nvidia => "NVIDIA",
            Self::Amd => "AMD",
            Self::Intel => "Intel",
            Self::Other => "other",
        }
    }

    fn of_pci(id: &str) -> Self {
        match id {
            "10de" => Self::Nvidia,
            "1002" => Self::Amd,
            "8086" => Self::Intel,
            _ => Self::Other,
        }
    }
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Who makes it.
    pub vendor: Vendor,
    /// PCI vendor and device in hex, `10de:2684`; empty where it is on no PCI bus.
    #[serde(default)]
    pub pci: String,
    /// The kernel's driver: nvidia, nouveau, amdgpu, radeon, i915, xe …
    #[serde(default)]
    pub kernel_driver: String,
    /// Version of what programs use: NVIDIA's driver, or Mesa. `None`: it cannot be told.
    #[serde(default)]
    pub driver: Option<String>,
    /// Memory of its own, MiB. `None`: it cannot be told without asking the driver.
    #[serde(default)]
    pub vram_mb: Option<u64>,
}

/// Drivers of devices that draw nothing.
const NO_GPU: &[&str] = &["vgem", "vkms", "simple-framebuffer", "simpledrm"];

/// The GPUs below `root` (`/`), by the number of their card.
pub fn list(root: &Path) -> Vec<Gpu> {
    let drm = root.join("sys/class/drm");
    let mut cards: Vec<(u32, std::path::PathBuf)> = Vec::new();
    for entry in fs::read_dir(&drm).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(number) = name.strip_prefix("card").and_then(|n| n.parse().ok()) {
            cards.push((number, entry.path()));
        }
    }
    cards.sort();
    let mesa = mesa::version(root);
    let mut gpus: Vec<Gpu> =
        cards.iter().filter_map(|(_, card)| gpu(root, card, mesa.as_deref())).collect();
    if gpus.iter().all(|gpu| gpu.kernel_driver != NVIDIA) {
        gpus.extend(without_cards(root));
    }
    gpus
}

const NVIDIA: &str = "nvidia";

/// NVIDIA's module tells of its GPUs where `nvidia-drm`, which makes them cards, is not loaded: on
/// servers and in virtual machines.
fn without_cards(root: &Path) -> Vec<Gpu> {
    let list = fs::read_dir(root.join("proc/driver/nvidia/gpus")).into_iter().flatten().flatten();
    let mut addresses: Vec<_> = list.map(|entry| entry.file_name()).collect();
    addresses.sort();
    let driver = nvidia_version(root);
    let gpu = |address: std::ffi::OsString| {
        let device = root.join("sys/bus/pci/devices").join(address);
        let ids = id(&device, "vendor").zip(id(&device, "device"));
        Gpu {
            vendor: Vendor::Nvidia,
            pci: ids.map(|(vendor, device)| format!("{vendor}:{device}")).unwrap_or_default(),
            kernel_driver: NVIDIA.to_owned(),
            driver: driver.clone(),
            vram_mb: None,
        }
    };
    addresses.into_iter().map(gpu).collect()
}

/// A number of the PCI configuration space, in hex without prefix.
fn id(device: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(device.join(name)).ok()?;
    Some(text.trim().trim_start_matches("0x").to_ascii_lowercase())
}

fn gpu(root: &Path, card: &Path, mesa: Option<&str>) -> Option<Gpu> {
    let device = card.join("device");
    let link = fs::read_link(device.join("driver")).ok();
    let kernel_driver = link
        .and_then(|link| Some(link.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_default();
    let (vendor, pci) = match (id(&device, "vendor"), id(&device, "device")) {
        (Some(vendor), Some(device)) => (Vendor::of_pci(&vendor), format!("{vendor}:{device}")),
        _ if kernel_driver.is_empty() || NO_GPU.contains(&kernel_driver.as_str()) => return None,
        _ => (Vendor::Other, String::new()),
    };
    let driver = match kernel_driver.as_str() {
        NVIDIA => nvidia_version(root),
        "" => None,
        _ => mesa.map(str::to_owned),
    };
    let number = |path: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    let bytes = number(device.join("mem_info_vram_total"))
        .or_else(|| number(card.join("lmem_total_bytes")));
    Some(Gpu { vendor, pci, kernel_driver, driver, vram_mb: bytes.map(|bytes| bytes >> 20) })
}

/// The version that NVIDIA's kernel module tells, proprietary or open.
fn nvidia_version(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/driver/nvidia/version")).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let number =
        |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let told = line.split_whitespace().find(number).map(str::to_owned);
    told.or_else(|| {
        let text = fs::read_to_string(root.join("sys/module/nvidia/version")).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    #[test]
    fn each_vendor_has_the_word_that_metadata_has() {
        for vendor in Vendor::ALL {
            assert_eq!(serde_json::to_value(vendor).unwrap(), vendor.word());
        }
    }

    /// A made-up machine's files, gone with the value.
    pub(crate) struct Tree(pub(crate) PathBuf);

    impl Tree {
        pub(crate) fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("bolt-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
        pub(crate) fn put(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fn card(&self, n: u32, ids: Option<(&str, &str)>, driver: &str) {
            let device = self.0.join(format!("sys/class/drm/card{n}/device"));
            fs::create_dir_all(&device).unwrap();
            if let Some((vendor, id)) = ids {
                fs::write(device.join("vendor"), format!("0x{vendor}\n")).unwrap();
                fs::write(device.join("device"), format!("0x{id}\n")).unwrap();
            }
            symlink(format!("../../bus/drivers/{driver}"), device.join("driver")).unwrap();
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn cards_are_told_apart_and_virtual_ones_left_out() {
        let tree = Tree::new("gpu");
        tree.card(10, Some(("1002", "744C")), "amdgpu");
        tree.card(2, Some(("10de", "2684")), "nvidia");
        tree.card(3, None, "vgem");
        tree.card(4, Some(("8086", "56a0")), "xe");
        tree.put("sys/class/drm/card10/device/mem_info_vram_total", "25753026560\n");
        tree.put("sys/class/drm/card10-DP-1/status", "connected\n");
        tree.put("sys/class/drm/version", "drm 1.1.0\n");
        tree.put(
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build\n",
        );
        tree.put("usr/lib/x86_64-linux-gnu/libgallium-24.2.8-1ubuntu1~24.04.1.so", "");
        let found = list(&tree.0);
        let told: Vec<(Vendor, &str, Option<&str>, Option<u64>)> = found
            .iter()
            .map(|gpu| (gpu.vendor, gpu.pci.as_str(), gpu.driver.as_deref(), gpu.vram_mb))
            .collect();
        let expected = [
            (Vendor::Nvidia, "10de:2684", Some("560.35.03"), None),
            (Vendor::Intel, "8086:56a0", Some("24.2.8"), None),
            (Vendor::Amd, "1002:744c", Some("24.2.8"), Some(24560)),
        ];
        assert_eq!(told, expected);
        fs::remove_file(tree.0.join("proc/driver/nvidia/version")).unwrap();
        tree.put("sys/module/nvidia/version", "535.183.01\n");
        assert_eq!(list(&tree.0)[0].driver.as_deref(), Some("535.183.01"));
        assert!(list(&tree.0.join("nowhere")).is_empty());
    }

    /// As on a virtual machine with an H200 and no `nvidia-drm`.
    #[test]
    fn nvidia_gpus_that_are_no_cards() {
        let tree = Tree::new("gpu-nodrm");
        tree.put("proc/driver/nvidia/gpus/0000:00:05.0/information", "Model: NVIDIA H200\n");
        tree.put("proc/driver/nvidia/version", "NVRM version: x  580.159.04  Release Build\n");
        tree.put("sys/bus/pci/devices/0000:00:05.0/vendor", "0x10de\n");
        tree.put("sys/bus/pci/devices/0000:00:05.0/device", "0x2335\n");
        let [gpu] = list(&tree.0).try_into().unwrap();
        assert_eq!((gpu.vendor, gpu.pci.as_str()), (Vendor::Nvidia, "10de:2335"));
        assert_eq!(gpu.driver.as_deref(), Some("580.159.04"));
        // With the module of cards each is told once.
        tree.card(0, Some(("10de", "2335")), "nvidia");
        assert_eq!(list(&tree.0).len(), 1);
    }
}
