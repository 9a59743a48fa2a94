//! Vulkan layers of a desktop, loaded by Vulkan's own loader on lavapipe.

use super::{Steam, end, steam};
use crate::harness::user::has;
use std::path::Path;

/// What the loader and the layers say of a run of vulkaninfo under these settings.
fn loaded(steam: &Steam, options: &[&str]) -> String {
    let mut command = steam.wrap(options, &["vulkaninfo", "--summary"]);
    command.env("VK_LOADER_DEBUG", "layer").env("VK_DRIVER_FILES", LAVAPIPE);
    command.env("VK_ICD_FILENAMES", LAVAPIPE);
    let out = end(command.spawn().unwrap(), "vulkaninfo");
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.out.contains("llvmpipe"), "{out:?}");
    out.err
}

const LAVAPIPE: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

#[test]
fn mangohud_and_vkbasalt_are_loaded_when_asked_for() {
    let layers = "/usr/share/vulkan/implicit_layer.d";
    let there = |name: &str| Path::new(layers).join(name).exists();
    if !has("vulkaninfo") || !Path::new(LAVAPIPE).exists() {
        crate::skip!("no lavapipe (Debian packages vulkan-tools mesa-vulkan-drivers)");
    }
    if !there("MangoHud.json") || !there("vkBasalt.json") {
        crate::skip!("no layers (Debian packages mangohud vkbasalt)");
    }
    let steam = steam!();
    let inserted = |said: &str, layer: &str| {
        said.lines().any(|line| line.contains(layer) && line.contains(".so"))
    };
    let plain = loaded(&steam, &[]);
    assert!(!inserted(&plain, "MANGOHUD_overlay") && !inserted(&plain, "VKBASALT"), "{plain}");
    let hud = loaded(&steam, &["--mangohud"]);
    assert!(inserted(&hud, "MANGOHUD_overlay"), "{hud}");
    let both = loaded(&steam, &["--mangohud", "--env", "ENABLE_VKBASALT=1"]);
    assert!(inserted(&both, "MANGOHUD_overlay") && inserted(&both, "VKBASALT"), "{both}");
    // OpenGL: the library is preloaded, from where its layer says.
    let report = steam.home("gl.json");
    let probe = steam.path("probe");
    let told = steam.home("gl");
    let mut command = steam.wrap(&["--mangohud=gl", "--report", &report], &[&probe, &told, "0"]);
    assert_eq!(end(command.env("LD_PRELOAD", "").spawn().unwrap(), "gl").code, 0);
    assert_eq!(steam.report("gl.json").1, ["--mangohud: applied"]);
    let preload = steam.told("gl").variable("LD_PRELOAD").unwrap();
    assert!(preload.starts_with("/usr/$LIB/mangohud/libMangoHud"), "{preload}");
}

#[test]
fn a_machine_without_mangohud_is_skipped() {
    let steam = steam!();
    let report = steam.home("report.json");
    let mut command = steam.wrap(&["--mangohud", "--report", &report], &["true"]);
    command.env("XDG_DATA_DIRS", "/nowhere");
    assert_eq!(end(command.spawn().unwrap(), "no MangoHud").code, 0);
    if !Path::new("/etc/vulkan/implicit_layer.d").exists() {
        assert_eq!(steam.report("report.json").1, ["--mangohud: skipped"]);
    }
}
