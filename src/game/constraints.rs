//! What a variant asks of the machine, one by one: met, not met, or not to be told.

use super::choose::{Code, Reason};
use super::metadata::{GpuNeed, KernelNeed, Metadata, ProtonNeed, VulkanNeed};
use super::range::{Range, Version};
use crate::facts::{HostFacts, KernelFeature};
use crate::gpu::{Gpu, Vendor};

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What is not met.
    pub(super) refused: Vec<Reason>,
    /// What nobody can tell without running the driver.
    pub(super) unknown: Vec<Reason>,
    /// How many demands are met.
    pub(super) met: u32,
    /// How strong the GPU is that it would use: 2 one with memory of its own, 1 any, 0 none.
    pub(super) strength: u8,
    /// The build of the host to use.
    pub(super) proton: Option<String>,
}

impl Findings {
    fn refuse(&mut self, code: Code, text: String, fix: impl Into<Option<String>>) {
        self.refused.push(Reason { code, text, fix: fix.into() });
    }

    fn unknown(&mut self, code: Code, text: String) {
        self.unknown.push(Reason { code, text, fix: None });
    }

    /// A version against a range.
    fn version(&mut self, code: Code, what: &str, have: Option<&str>, want: &Range, fix: &str) {
        match have.and_then(|text| Some((text, Version::parse(text)?))) {
            None => {
                self.unknown(code, format!("it needs {what} {want}, which cannot be told here"))
            }
            Some((_, version)) if want.holds(&version) => self.met += 1,
            Some((text, _)) => {
                self.refuse(
                    code,
                    format!("it needs {what} {want}; here is {text}"),
                    fix.to_owned(),
                );
            }
        }
    }
}

/// Everything that `metadata` asks, held against the machine.
pub(super) fn examine(metadata: &Metadata, facts: &HostFacts) -> Findings {
    let mut found = Findings::default();
    let gpu = gpus(&metadata.gpu, facts, &mut found);
    found.strength = match (metadata.gpu.as_slice(), gpu) {
        ([], _) => facts.gpus.iter().map(strength).max().unwrap_or(0),
        (_, gpu) => gpu.map_or(0, strength),
    };
    if let Some(need) = &metadata.vulkan {
        vulkan(need, gpu, facts, &mut found);
    }
    if let Some(need) = &metadata.kernel {
        kernel(need, facts, &mut found);
    }
    if let Some(least) = metadata.min_memory_mb {
        if facts.memory_mb >= least {
            found.met += 1;
        } else {
            let text = format!("it needs {least} MiB of memory; here are {}", facts.memory_mb);
            found.refuse(Code::Memory, text, None);
        }
    }
    if let Some(need) = &metadata.proton {
        proton(need, facts, &mut found);
    }
    found
}

/// Graphics within the processor have no memory of their own, or little that is set aside.
fn strength(gpu: &Gpu) -> u8 {
    if gpu.vendor == Vendor::Nvidia || gpu.vram_mb.is_some_and(|mb| mb >= 3072) { 2 } else { 1 }
}

/// Takes the pair of demand and GPU with the least that is not met; returns that GPU.
fn gpus<'f>(needs: &[GpuNeed], facts: &'f HostFacts, found: &mut Findings) -> Option<&'f Gpu> {
    if needs.is_empty() {
        return facts.gpus.first();
    }
    let pairs = needs.iter().flat_map(|need| facts.gpus.iter().map(move |gpu| (need, gpu)));
    let examined = pairs.filter(|(need, gpu)| need.vendor == gpu.vendor).map(|(need, gpu)| {
        let mut found = Findings::default();
        one_gpu(need, gpu, &mut found);
        (gpu, found)
    });
    let Some((gpu, best)) = examined.min_by_key(|(_, f)| (f.refused.len(), f.unknown.len())) else {
        let mut wanted: Vec<&str> = needs.iter().map(|need| need.vendor.shown()).collect();
        wanted.dedup();
        let text = format!("it needs a GPU of {}; here is {}", wanted.join(" or "), here(facts));
        found.refuse(Code::Gpu, text, None);
        return facts.gpus.first();
    };
    found.met += best.met;
    found.refused.extend(best.refused);
    found.unknown.extend(best.unknown);
    Some(gpu)
}

fn one_gpu(need: &GpuNeed, gpu: &Gpu, found: &mut Findings) {
    found.met += 1;
    let vendor = gpu.vendor.shown();
    let nvidia = ["nvidia".to_owned()];
    let drivers: &[String] = match (need.kernel_drivers.as_slice(), need.vendor) {
        ([], Vendor::Nvidia) => &nvidia,
        (given, _) => given,
    };
    if !drivers.is_empty() && !drivers.contains(&gpu.kernel_driver) {
        let wanted = drivers.join(" or ");
        let text = match gpu.kernel_driver.as_str() {
            "" => format!("it needs the kernel driver {wanted}; the {vendor} GPU has none loaded"),
            other => format!("it needs the kernel driver {wanted}; the {vendor} GPU runs {other}"),
        };
        found.refuse(Code::Driver, text, format!("install and load the driver {wanted}"));
        return;
    }
    if let Some(range) = &need.driver {
        let what = if gpu.kernel_driver == "nvidia" { "NVIDIA's driver" } else { "Mesa" };
        let fix = format!("install {what} {range}");
        found.version(Code::Driver, what, gpu.driver.as_deref(), range, &fix);
    }
    if let Some(least) = need.min_vram_mb {
        match gpu.vram_mb {
            None => {
                let text = format!("it needs {least} MiB on the GPU, which cannot be told here");
                found.unknown(Code::Vram, text);
            }
            Some(have) if have >= least => found.met += 1,
            Some(have) => {
                let text = format!("it needs {least} MiB on the GPU; here are {have}");
                found.refuse(Code::Vram, text, None);
            }
        }
    }
}

fn vulkan(need: &VulkanNeed, gpu: Option<&Gpu>, facts: &HostFacts, found: &mut Findings) {
    let vendor = gpu.map_or(Vendor::Other, |gpu| gpu.vendor);
    let drivers = facts.vulkan.iter().filter(|icd| icd.vendor == vendor);
    let best = drivers.max_by(|a, b| Version::parse(&a.api).cmp(&Version::parse(&b.api)));
    let Some(driver) = best else {
        let text = match gpu {
            Some(gpu) => {
                format!("it needs Vulkan; no driver for the {} GPU is here", gpu.vendor.shown())
            }
            None => "it needs Vulkan; no GPU is here".to_owned(),
        };
        let fix = gpu.map(|gpu| format!("install the Vulkan driver for {}", gpu.vendor.shown()));
        return found.refuse(Code::Vulkan, text, fix);
    };
    if let Some(range) = &need.version {
        let fix = format!("install a driver that offers Vulkan {range}");
        found.version(Code::Vulkan, "Vulkan", Some(&driver.api), range, &fix);
    }
    for extension in &need.extensions {
        match &driver.extensions {
            None => found.unknown(
                Code::Extension,
                format!("it needs {extension}, which only the driver itself could tell"),
            ),
            Some(have) if have.contains(extension) => found.met += 1,
            Some(_) => {
                let text = format!("it needs {extension}, which {} does not offer", driver.name);
                found.refuse(Code::Extension, text, "install a newer driver".to_owned());
            }
        }
    }
}

fn kernel(need: &KernelNeed, facts: &HostFacts, found: &mut Findings) {
    let release = &facts.kernel.release;
    if let Some(range) = &need.version {
        let fix = format!("boot a kernel {range}");
        found.version(Code::Kernel, "a kernel", Some(release), range, &fix);
    }
    for feature in &need.features {
        if facts.kernel.features.contains(feature) {
            found.met += 1;
            continue;
        }
        let text =
            format!("it needs {}, which kernel {release} does not offer here", feature.shown());
        let fix = match feature {
            KernelFeature::Ntsync => "with Linux 6.14 or newer: modprobe ntsync".to_owned(),
            KernelFeature::FutexWaitv => "boot Linux 5.16 or newer".to_owned(),
        };
        found.refuse(Code::Feature, text, fix);
    }
}

fn proton(need: &ProtonNeed, facts: &HostFacts, found: &mut Findings) {
    if let Some(bundled) = &need.bundled {
        found.proton = Some(bundled.clone());
        return;
    }
    let version = |name: &Option<String>| name.as_deref().and_then(Version::parse);
    let fits = |build: &&crate::proton::ProtonBuild| {
        need.version
            .as_ref()
            .is_none_or(|range| version(&build.version).is_some_and(|v| range.holds(&v)))
    };
    let place = |name: &str| match need.builds.as_slice() {
        [] => Some(0),
        globs => globs.iter().position(|glob| matches(glob, name)),
    };
    let fitting = facts.proton.iter().filter(fits);
    let ranked = fitting.filter_map(|build| Some((place(&build.name)?, build)));
    // The glob that stands first, then the newest build.
    let best = ranked.min_by(|(a, x), (b, y)| {
        a.cmp(b).then_with(|| version(&y.version).cmp(&version(&x.version)))
    });
    if let Some((_, build)) = best {
        found.met += 1;
        found.proton = Some(build.name.clone());
        return;
    }
    let mut wanted = need.builds.join(" or ");
    if let Some(range) = &need.version {
        let between = if wanted.is_empty() { "" } else { " of version " };
        wanted = format!("{wanted}{between}{range}");
    }
    let mut have: Vec<&str> =
        facts.proton.iter().map(|build| build.name.as_str()).take(8).collect();
    if have.is_empty() {
        have.push("none");
    }
    let text = format!("it needs Proton {wanted}; installed: {}", have.join(", "));
    found.refuse(Code::Proton, text, format!("install Proton {wanted}"));
}

/// `GE-Proton9-*` or a whole name.
fn matches(glob: &str, name: &str) -> bool {
    match glob.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => glob == name,
    }
}

/// The GPUs of the machine, in a few words.
pub(super) fn here(facts: &HostFacts) -> String {
    let one = |gpu: &Gpu| {
        let mut text = gpu.vendor.shown().to_owned();
        for (part, open, close) in [
            (Some(&gpu.pci), " ", ""),
            (Some(&gpu.kernel_driver), " (", ""),
            (gpu.driver.as_ref(), " ", ""),
        ] {
            if let Some(part) = part.filter(|part| !part.is_empty()) {
                text.push_str(&format!("{open}{part}{close}"));
            }
        }
        if text.contains('(') { format!("{text})") } else { text }
    };
    match facts.gpus.as_slice() {
        [] => "no GPU".to_owned(),
        gpus => gpus.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}
