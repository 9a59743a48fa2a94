//! L2: the Proton builds that Steam and the user have installed, by their directories. None is run.

use crate::steam::{self, Broken};
use crate::sys::small;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One installed build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtonBuild {
    /// The directory's name: `GE-Proton9-7`, `Proton 9.0 (Beta)`, `Proton - Experimental`.
    pub name: String,
    /// Its version as numbers, `9.7`; `None` when neither name nor version file tells one.
    #[serde(default)]
    pub version: Option<String>,
}

/// Where distributions put builds for everybody.
const SYSTEM: &[&str] =
    &["usr/share/steam/compatibilitytools.d", "usr/local/share/steam/compatibilitytools.d"];
/// Where GhostForge keeps the builds that it downloads, below the home directory.
const GHOSTFORGE: &str = ".local/share/ghostforge/wine-versions";

/// The builds of the user whose home is `home`, and those below `root` (`/`), by name; and the
/// lists of libraries that could not be read, so that builds in those libraries are missing.
pub fn list(root: &Path, home: &Path) -> (Vec<ProtonBuild>, Vec<Broken>) {
    let mut found = BTreeMap::new();
    let mut unread = Vec::new();
    let mut folders: Vec<PathBuf> = SYSTEM.iter().map(|dir| root.join(dir)).collect();
    for root in steam::roots(home) {
        folders.push(root.join("compatibilitytools.d"));
        let (libraries, broken) = steam::libraries(&root);
        folders.extend(libraries.iter().map(|library| library.join("common")));
        unread.extend(broken);
    }
    let downloads = home.join(GHOSTFORGE);
    // Its archives bring a directory of their own, below the one it makes.
    let unpacked = fs::read_dir(&downloads).into_iter().flatten().flatten();
    folders.extend(unpacked.map(|entry| entry.path()));
    folders.push(downloads);
    for folder in folders {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let dir = entry.path();
            if dir.join("proton").is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let version = version(&name).or_else(|| version(&second_word(&dir)?));
                found.entry(name).or_insert(version);
            }
        }
    }
    let builds = found.into_iter().map(|(name, version)| ProtonBuild { name, version });
    (builds.collect(), unread)
}

/// `version` of a build holds a time and a name: `1718219023 GE-Proton9-7`.
fn second_word(dir: &Path) -> Option<String> {
    text(&dir.join("version"))?.split_whitespace().nth(1).map(str::to_owned)
}

fn text(path: &Path) -> Option<String> {
    let bytes = small::read_regular(path).ok()?;
    String::from_utf8(bytes).ok()
}

/// The first number of a build's name, with what follows it: `GE-Proton9-7` and
/// `proton-cachyos-9.0-20250227` are versions 9.7 and 9.0.20250227.
fn version(name: &str) -> Option<String> {
    let start = name.find(|c: char| c.is_ascii_digit())?;
    let rest = &name[start..];
    let end =
        rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(rest.len());
    let version = rest[..end].replace('-', ".");
    Some(version.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::Tree;

    #[test]
    fn builds_are_found_wherever_steam_keeps_them() {
        let tree = Tree::new("proton");
        let steam = "home/me/.local/share/Steam";
        tree.put(&format!("{steam}/compatibilitytools.d/GE-Proton9-7/proton"), "#!");
        tree.put(&format!("{steam}/compatibilitytools.d/SteamTinkerLaunch/toolmanifest.vdf"), "");
        tree.put(&format!("{steam}/steamapps/common/Proton 9.0 (Beta)/proton"), "#!");
        tree.put(&format!("{steam}/steamapps/common/Proton - Experimental/proton"), "#!");
        tree.put(
            &format!("{steam}/steamapps/common/Proton - Experimental/version"),
            "1718219023 experimental-9.0-20240612\n",
        );
        tree.put("usr/share/steam/compatibilitytools.d/proton-cachyos/proton", "#!");
        let downloads = "home/me/.local/share/ghostforge/wine-versions";
        tree.put(&format!("{downloads}/GE-Proton-GE-Proton8-26/GE-Proton8-26/proton"), "#!");
        tree.put(&format!("{downloads}/GE-Proton-8-4/proton"), "#!");
        let disk = tree.0.join("disk");
        let libraries = format!(
            "\"libraryfolders\"\n{{\n\"1\"\n{{\n\t\"path\"\t\t\"{}\"\n}}\n}}\n",
            disk.display()
        );
        tree.put(&format!("{steam}/steamapps/libraryfolders.vdf"), &libraries);
        tree.put("disk/steamapps/common/Proton 8.0/proton", "#!");
        let (found, unread) = list(&tree.0, &tree.0.join("home/me"));
        assert!(unread.is_empty(), "{unread:?}");
        let told: Vec<_> = found.iter().map(|b| (b.name.as_str(), b.version.as_deref())).collect();
        let expected = [
            ("GE-Proton-8-4", Some("8.4")),
            ("GE-Proton8-26", Some("8.26")),
            ("GE-Proton9-7", Some("9.7")),
            ("Proton - Experimental", Some("9.0.20240612")),
            ("Proton 8.0", Some("8.0")),
            ("Proton 9.0 (Beta)", Some("9.0")),
            ("proton-cachyos", None),
        ];
        assert_eq!(told, expected);
    }
}
