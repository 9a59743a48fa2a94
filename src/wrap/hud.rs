//! MangoHud: where it is installed, and what makes a game load it. Its Vulkan layer listens to
//! `MANGOHUD=1` (its manifest, `enable_environment`); OpenGL games need its library preloaded.

use super::Refusal;
use super::environment::Edit;
use crate::sys::small;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// No manifest is larger.
const MAX: u64 = 64 << 10;
/// What `$LIB` of ld.so(8) may stand for.
const LIBS: [&str; 4] = ["lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib"];

#[derive(Deserialize)]
struct Manifest {
    layer: Layer,
}

#[derive(Deserialize)]
struct Layer {
    library_path: String,
}

/// What `--mangohud` sets, with `gl` also for OpenGL games. `data` are the directories below which
/// the Vulkan loader looks (`XDG_DATA_HOME`, `XDG_DATA_DIRS`), `/` is where libraries lie.
pub(super) fn edits(root: &Path, data: &[PathBuf], gl: bool) -> Result<Vec<Edit>, Refusal> {
    let library = library(data).ok_or_else(|| {
        Refusal::Skipped("MangoHud is not installed: its Vulkan layer is nowhere".to_owned())
    })?;
    let mut edits = vec![Edit::Set("MANGOHUD".into(), "1".into())];
    if gl {
        edits.push(Edit::Append("LD_PRELOAD", preload(root, &library)?.into()));
    }
    Ok(edits)
}

/// The library that the manifest of MangoHud's layer names.
fn library(data: &[PathBuf]) -> Option<String> {
    let folders = data.iter().map(|dir| dir.join("vulkan/implicit_layer.d"));
    let mut files = folders.flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
    files.find_map(|entry| {
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        // Through links, as the loader reads it: not a pipe, and nothing without an end.
        let fits = fs::metadata(entry.path()).is_ok_and(|m| m.is_file() && m.len() <= MAX);
        if !fits || !name.starts_with("mangohud") || !name.ends_with(".json") {
            return None;
        }
        let bytes = small::read_regular(entry.path()).ok()?;
        Some(serde_json::from_slice::<Manifest>(&bytes).ok()?.layer.library_path)
    })
}

/// The libraries beside the layer that catch OpenGL: one shim since 0.7, two libraries before.
fn preload(root: &Path, library: &str) -> Result<String, Refusal> {
    let folder = Path::new(library).parent().unwrap_or(Path::new(""));
    let there = |name: &str| {
        let path = folder.join(name);
        let text = path.to_str()?;
        let real = |lib: &&str| text.replace("$LIB", lib);
        let mut places = LIBS.iter().map(real);
        places.any(|p| root.join(p.trim_start_matches('/')).is_file()).then(|| text.to_owned())
    };
    let names: [&[&str]; 3] = [
        &["libMangoHud_shim.so"],
        &["libMangoHud_dlsym.so", "libMangoHud.so"],
        &["libMangoHud_opengl.so"],
    ];
    let found = names.iter().find_map(|all| {
        all.iter().map(|name| there(name)).collect::<Option<Vec<_>>>().map(|all| all.join(":"))
    });
    found.ok_or_else(|| {
        Refusal::Denied(format!("no library for OpenGL games lies beside {library}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::Tree;

    #[test]
    fn the_layer_and_what_opengl_needs_are_found() {
        let tree = Tree::new("hud");
        let data = [tree.0.join("home/share"), tree.0.join("usr/share")];
        assert!(matches!(edits(&tree.0, &data, false), Err(Refusal::Skipped(_))));
        tree.put(
            "usr/share/vulkan/implicit_layer.d/MangoHud.x86_64.json",
            r#"{"layer":{"library_path":"/usr/$LIB/mangohud/libMangoHud.so"}}"#,
        );
        let hud = Edit::Set("MANGOHUD".into(), "1".into());
        assert_eq!(edits(&tree.0, &data, false).unwrap(), std::slice::from_ref(&hud));
        let error = edits(&tree.0, &data, true).unwrap_err();
        assert!(matches!(&error, Refusal::Denied(why) if why.contains("OpenGL")), "{error:?}");
        tree.put("usr/lib64/mangohud/libMangoHud.so", "");
        tree.put("usr/lib64/mangohud/libMangoHud_dlsym.so", "");
        let both = "/usr/$LIB/mangohud/libMangoHud_dlsym.so:/usr/$LIB/mangohud/libMangoHud.so";
        let expected = [hud, Edit::Append("LD_PRELOAD", both.into())];
        assert_eq!(edits(&tree.0, &data, true).unwrap(), expected);
        tree.put("usr/lib64/mangohud/libMangoHud_shim.so", "");
        let Edit::Append(_, word) = &edits(&tree.0, &data, true).unwrap()[1] else { panic!() };
        assert_eq!(word, "/usr/$LIB/mangohud/libMangoHud_shim.so");
    }
}
