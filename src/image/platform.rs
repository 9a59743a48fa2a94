//! Which machine an image is for, and which one this is (image-spec, image-index.md).

use crate::image::types::{Descriptor, Platform};
use crate::sys::machine;

/// Why no platform could be read or chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlatformError {
    /// Not `os/arch[/variant]`.
    #[error(
        "{0:?} is not a platform; write OS/ARCH or OS/ARCH/VARIANT, for example linux/amd64/v3"
    )]
    Syntax(String),
    /// The image exists, but not for this machine.
    #[error("the image is not made for {want}; it is made for {}", list(available))]
    NoMatch {
        /// What was looked for.
        want: String,
        /// What there is.
        available: Vec<String>,
    },
}

fn list(available: &[String]) -> String {
    if available.is_empty() { "no platform at all".to_owned() } else { available.join(", ") }
}

/// Reads `os/arch[/variant]`. Architectures are taken under uname's names too (`x86_64`,
/// `aarch64`, `armv7l`).
pub fn parse(text: &str) -> Result<Platform, PlatformError> {
    let fault = || PlatformError::Syntax(text.chars().take(100).collect());
    let word = |w: &str| {
        !w.is_empty()
            && w.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    let parts: Vec<&str> = text.split('/').take(4).collect();
    let (os, arch, variant) = match parts[..] {
        [os, arch] => (os, arch, None),
        [os, arch, variant] => (os, arch, Some(variant)),
        _ => return Err(fault()),
    };
    if text.len() > 100 || ![os, arch, variant.unwrap_or("v0")].into_iter().all(word) {
        return Err(fault());
    }
    let (architecture, implied) = go_arch(&arch.to_ascii_lowercase());
    let variant = variant.map(str::to_ascii_lowercase).or(implied);
    Ok(Platform { os: os.to_ascii_lowercase(), architecture, variant, os_features: Vec::new() })
}

/// Go's name for an architecture, and the variant that an old name implies.
fn go_arch(name: &str) -> (String, Option<String>) {
    let (arch, variant) = match name {
        "x86_64" | "x86-64" => ("amd64", None),
        "i386" | "i686" | "x86" => ("386", None),
        "aarch64" => ("arm64", None),
        "armhf" | "armv7l" => ("arm", Some("v7")),
        "armel" | "armv6l" => ("arm", Some("v6")),
        "powerpc64le" | "ppc64el" => ("ppc64le", None),
        "loongarch64" => ("loong64", None),
        other => (other, None),
    };
    (arch.to_owned(), variant.map(str::to_owned))
}

/// The platform of this machine, with the highest variant its processor has.
pub fn host() -> Platform {
    // The kernel's name tells an ARM processor's version; other architectures need no uname.
    let name =
        if cfg!(target_arch = "arm") { machine::name() } else { std::env::consts::ARCH.to_owned() };
    let (architecture, implied) = match arm_name(&name) {
        Some(arm) => arm,
        // A 32-bit program on a 64-bit kernel: what runs us runs v7.
        None if cfg!(target_arch = "arm") => go_arch("armv7l"),
        None => go_arch(&name),
    };
    let variant = amd64_level().map(|level| format!("v{level}")).or(implied);
    Platform { os: std::env::consts::OS.to_owned(), architecture, variant, os_features: Vec::new() }
}

/// uname's names of ARM processors: `armv7l`; 64-bit ones running 32-bit programs say `armv8l`.
fn arm_name(machine: &str) -> Option<(String, Option<String>)> {
    let version = machine.strip_prefix("armv")?.bytes().next()?;
    let variant = match version {
        b'5' | b'6' | b'7' => char::from(version),
        b'8' | b'9' => '7',
        _ => return None,
    };
    Some(("arm".to_owned(), Some(format!("v{variant}"))))
}

/// The x86-64 micro-architecture level of the processor (x86-64 psABI, "Micro-Architecture
/// Levels"); `None` elsewhere.
fn amd64_level() -> Option<u8> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::is_x86_feature_detected as has;
        let v2 = has!("cmpxchg16b")
            && has!("popcnt")
            && has!("sse3")
            && has!("ssse3")
            && has!("sse4.1")
            && has!("sse4.2");
        let v3 = v2
            && has!("avx")
            && has!("avx2")
            && has!("bmi1")
            && has!("bmi2")
            && has!("f16c")
            && has!("fma")
            && has!("lzcnt")
            && has!("movbe");
        let v4 = v3
            && has!("avx512f")
            && has!("avx512bw")
            && has!("avx512cd")
            && has!("avx512dq")
            && has!("avx512vl");
        Some(1 + u8::from(v2) + u8::from(v3) + u8::from(v4))
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// The entry of an index to run on `want`: the highest variant that it can execute, the first of
/// equals. Attestations (`unknown/unknown`) are never taken. An entry without a platform is
/// taken only when it is the only one: then there is nothing to choose.
pub fn choose(entries: &[Descriptor], want: &Platform) -> Option<usize> {
    let mut best: Option<(u32, usize)> = None;
    for (n, entry) in entries.iter().enumerate() {
        let rank = stated(entry).and_then(|platform| rank(platform, want));
        if let Some(rank) = rank.filter(|rank| best.is_none_or(|(best, _)| *rank > best)) {
            best = Some((rank, n));
        }
    }
    if let Some((_, n)) = best {
        return Some(n);
    }
    let mut images = entries.iter().enumerate().filter(|(_, entry)| !is_attestation(entry));
    match (images.next(), images.next()) {
        (Some((n, only)), None) if stated(only).is_none() => Some(n),
        _ => None,
    }
}

/// [`choose`], or an error that lists what the index has.
pub fn choose_or_list(entries: &[Descriptor], want: &Platform) -> Result<usize, PlatformError> {
    choose(entries, want).ok_or_else(|| {
        let mut available: Vec<String> = Vec::new();
        for entry in entries.iter().filter(|entry| !is_attestation(entry)).take(100) {
            let text = stated(entry).map_or_else(|| "a platform it does not tell".to_owned(), show);
            if !available.contains(&text) {
                available.push(text);
            }
        }
        PlatformError::NoMatch { want: show(want), available }
    })
}

/// `os/arch[/variant]`.
pub fn show(platform: &Platform) -> String {
    let Platform { os, architecture, variant, .. } = platform;
    let text = match variant.as_deref().filter(|variant| !variant.is_empty()) {
        Some(variant) => format!("{os}/{architecture}/{variant}"),
        None => format!("{os}/{architecture}"),
    };
    // An index is written by strangers: no escape sequences, no megabytes on the terminal.
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Whether an image made for `have` is one that is asked for by `want`.
pub fn is_for(have: &Platform, want: &Platform) -> bool {
    // What an image needs of the system beyond its platform was looked at when it was pulled.
    rank(&Platform { os_features: Vec::new(), ..have.clone() }, want).is_some()
}

fn stated(entry: &Descriptor) -> Option<&Platform> {
    entry.platform.as_ref().filter(|p| !p.os.is_empty() || !p.architecture.is_empty())
}

/// How well one entry of an index with `count` entries fits `want`, higher is better; `None` when
/// it cannot run there. An entry without a platform fits only when it is alone.
pub fn fit(entry: &Descriptor, want: &Platform, count: usize) -> Option<u32> {
    match stated(entry) {
        Some(platform) => rank(platform, want),
        None => (count == 1).then_some(0),
    }
}

/// An entry that is no image but tells of another (`unknown/unknown`).
pub fn is_attestation(entry: &Descriptor) -> bool {
    entry.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown")
}

/// How well an entry fits, higher is better; `None` when it cannot run.
fn rank(have: &Platform, want: &Platform) -> Option<u32> {
    let mut features = have.os_features.iter();
    if have.os != want.os
        || have.architecture != want.architecture
        || !features.all(|feature| want.os_features.contains(feature))
    {
        return None;
    }
    let arch = want.architecture.as_str();
    match (level(arch, want.variant.as_deref()), level(arch, have.variant.as_deref())) {
        // A variant in so many words, before another spelling of the same level.
        (Some(most), Some(level)) if level <= most => {
            Some(level * 2 + u32::from(have.variant.as_deref() == want.variant.as_deref()))
        }
        (Some(_), _) => None,
        (None, _) => (have.variant == want.variant).then_some(0),
    }
}

/// The level behind a variant, for architectures where a higher one runs the lower. No variant
/// means amd64 v1, arm v7 and arm64 v8, as Go and containerd take it.
fn level(architecture: &str, variant: Option<&str>) -> Option<u32> {
    let default = match architecture {
        "amd64" => "v1",
        "arm" => "v7",
        "arm64" => "v8",
        _ => return None,
    };
    let text = variant.filter(|variant| !variant.is_empty()).unwrap_or(default);
    let text = text.strip_prefix('v')?;
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n < 100);
    Some(number(major)? * 100 + number(minor)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Vec<Descriptor> {
        let entry = |(n, text): (usize, &&str)| Descriptor {
            media_type: String::new(),
            digest: crate::image::types::Digest::sha256_of(&[n as u8]),
            size: 1,
            platform: (!text.is_empty()).then(|| parse(text).unwrap()),
            annotations: Default::default(),
        };
        platforms.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn platforms_are_read_and_shown() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armv6l", "linux/arm/v6"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(show(&parse(text).unwrap()), shown, "{text}");
        }
        let long = "a/".repeat(5_000_000);
        for bad in ["", "linux", "linux/", "/amd64", "linux/amd64/", "a/b/c/d", "l\0x/amd64", &long]
        {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.len() < 400, "{}", error.len());
        }
    }

    #[test]
    fn an_image_of_another_platform_is_another_one() {
        let is = |have, want| is_for(&parse(have).unwrap(), &parse(want).unwrap());
        assert!(is("linux/amd64", "linux/amd64") && is("linux/amd64", "linux/amd64/v3"));
        assert!(is("linux/arm64/v8", "linux/arm64") && is("linux/arm64", "linux/arm64/v8"));
        assert!(!is("linux/amd64", "linux/arm64") && !is("linux/amd64/v3", "linux/amd64/v2"));
        assert!(!is("windows/amd64", "linux/amd64"));
    }

    #[test]
    fn the_highest_runnable_variant_is_chosen() {
        let full =
            ["linux/arm64", "linux/amd64", "linux/amd64/v2", "linux/amd64/v3", "linux/amd64/v4"];
        for (entries, want, index_of) in [
            (&full[..], "linux/amd64/v4", Some(4)),
            (&full[..], "linux/amd64/v3", Some(3)),
            (&full[..], "linux/amd64/v2", Some(2)),
            (&full[..], "linux/amd64/v1", Some(1)),
            (&full[..], "linux/amd64", Some(1)),
            (&full[..], "linux/arm64/v8", Some(0)),
            (&full[..], "linux/arm64", Some(0)),
            (&full[..], "linux/riscv64", None),
            (&full[..], "windows/amd64", None),
            (&["linux/amd64/v4"], "linux/amd64/v3", None),
            (&["linux/amd64/v2", "linux/amd64"], "linux/amd64/v3", Some(0)),
            (&["linux/amd64/v1", "linux/amd64"], "linux/amd64", Some(1)),
            (&["linux/amd64", "linux/amd64"], "linux/amd64/v3", Some(0)),
            (&["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], "linux/arm/v6", Some(1)),
            (&["linux/arm/v8"], "linux/arm/v7", None),
            (&["linux/arm64/v9", "linux/arm64/v8"], "linux/arm64", Some(1)),
            (&["linux/arm64/v8.2"], "linux/arm64/v8", None),
            (&["linux/amd64/weird"], "linux/amd64/v3", None),
            (&["linux/386", "linux/amd64"], "linux/386", Some(0)),
            (&["linux/mips/softfloat"], "linux/mips", None),
            (&["unknown/unknown", "linux/amd64"], "linux/amd64/v3", Some(1)),
            (&["unknown/unknown"], "linux/amd64", None),
            (&["", "unknown/unknown"], "linux/amd64", Some(0)),
            (&["", ""], "linux/amd64", None),
            (&["", "linux/arm64"], "linux/amd64", None),
            (&[], "linux/amd64", None),
        ] {
            assert_eq!(
                choose(&index(entries), &parse(want).unwrap()),
                index_of,
                "{entries:?} {want}"
            );
        }
    }

    #[test]
    fn required_os_features_are_obeyed() {
        let mut entries = index(&["linux/amd64", "linux/amd64"]);
        entries[0].platform.as_mut().unwrap().os_features = vec!["win32k".to_owned()];
        assert_eq!(choose(&entries, &host_like("v1")), Some(1));
        let mut want = host_like("v1");
        want.os_features = vec!["win32k".to_owned()];
        assert_eq!(choose(&entries, &want), Some(0));
    }

    fn host_like(variant: &str) -> Platform {
        parse(&format!("linux/amd64/{variant}")).unwrap()
    }

    #[test]
    fn the_error_lists_what_there_is_without_escape_sequences() {
        let mut entries =
            index(&["linux/arm64", "unknown/unknown", "linux/arm64", "linux/s390x", ""]);
        entries[3].platform.as_mut().unwrap().os = "lin\x1b[31mux".to_owned();
        let error = choose_or_list(&entries, &host_like("v3")).unwrap_err().to_string();
        assert_eq!(
            error,
            "the image is not made for linux/amd64/v3; it is made for linux/arm64, \
             lin[31mux/s390x, a platform it does not tell"
        );
    }

    #[test]
    fn the_host_runs_images_of_its_own_architecture() {
        let host = host();
        assert_eq!(host.os, "linux");
        let plain = format!("linux/{}", host.architecture);
        assert_eq!(choose(&index(&[&plain]), &host), Some(0));
        if host.architecture == "amd64" {
            assert!(host.variant.as_deref().is_some_and(|v| v.starts_with('v')));
        }
    }

    #[test]
    fn arm_processors_by_the_kernels_name() {
        for (machine, variant) in [
            ("armv5tel", Some("v5")),
            ("armv6l", Some("v6")),
            ("armv7l", Some("v7")),
            ("armv8l", Some("v7")),
            ("x86_64", None),
            ("armv", None),
        ] {
            let found = arm_name(machine).and_then(|(_, variant)| variant);
            assert_eq!(found.as_deref(), variant, "{machine}");
        }
    }
}
