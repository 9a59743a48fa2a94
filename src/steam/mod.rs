//! L2: what Steam keeps on disk: its directories, libraries, games, and compatibility tools. Only
//! read, but for the one tool that is Bolt's own.

pub mod tool;
pub mod vdf;

use crate::sys::small;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vdf::{Table, Value};

/// Where Steam may be, below the home directory.
const ROOTS: &[&str] = &[
    ".steam/root",
    ".steam/steam",
    ".local/share/Steam",
    ".var/app/com.valvesoftware.Steam/data/Steam",
    "snap/steam/common/.local/share/Steam",
];

/// Most libraries of one Steam that are looked into.
const LIBRARIES: usize = 256;

/// Steam's directories of the user whose home is `home`, each once, by its real path.
pub fn roots(home: &Path) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let real = |dir: &&str| home.join(dir).canonicalize().ok().filter(|dir| looks_like_one(dir));
    ROOTS.iter().filter_map(real).filter(|root| seen.insert(root.clone())).collect()
}

/// Whether a directory has what every Steam directory has one of.
pub fn looks_like_one(dir: &Path) -> bool {
    ["steamapps", "ubuntu12_32", "steam.sh", "compatibilitytools.d"]
        .iter()
        .any(|name| dir.join(name).exists())
}

/// The `steamapps` directories of a Steam: its own, and those of libraryfolders.vdf on other disks.
pub fn libraries(root: &Path) -> Vec<PathBuf> {
    let own = root.join("steamapps");
    let listed = read(&own.join("libraryfolders.vdf")).unwrap_or_default();
    let folders = listed.table("libraryfolders").map(|table| table.0.as_slice());
    let path = |(_, value): &(String, Value)| match value {
        Value::Table(folder) => folder.text("path").map(|path| Path::new(path).join("steamapps")),
        // Before 2021: a number and a path.
        Value::Text(path) if path.starts_with('/') => Some(Path::new(path).join("steamapps")),
        Value::Text(_) => None,
    };
    let mut found = vec![own];
    for library in folders.unwrap_or_default().iter().take(LIBRARIES).filter_map(path) {
        if !found.contains(&library) {
            found.push(library);
        }
    }
    found
}

/// The name of an installed game: `name` of its manifest in the first library that has it.
pub fn name_of(appid: u32, roots: &[PathBuf]) -> Option<String> {
    let file = format!("appmanifest_{appid}.acf");
    roots.iter().flat_map(|root| libraries(root)).find_map(|library| {
        let manifest = read(&library.join(&file))?;
        Some(manifest.table("AppState")?.text("name")?.to_owned())
    })
}

/// A file of Steam's; `None` where it cannot be read or is no VDF: it is not Bolt's to mend.
fn read(path: &Path) -> Option<Table> {
    Table::parse(&small::read_regular(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::Tree;

    #[test]
    fn one_steam_under_many_names_and_its_libraries() {
        let tree = Tree::new("steam");
        let home = tree.0.join("home");
        let steam = "home/.local/share/Steam";
        let disk = tree.0.join("disk");
        let folders = format!(
            "\"libraryfolders\"\n{{\n\"0\"\n{{\n\"path\" \"{}\"\n}}\n\"1\"\n{{\n\"path\" \
             \"{}\"\n}}\n\"2\" \"/old\"\n\"contentid\" \"5\"\n}}\n",
            tree.0.join(steam).display(),
            disk.display()
        );
        tree.put(&format!("{steam}/steamapps/libraryfolders.vdf"), &folders);
        tree.put(&format!("{steam}/steamapps/appmanifest_5.acf"), "\"AppState\" {");
        tree.put("disk/steamapps/appmanifest_70.acf", "\"AppState\" { \"name\" \"Half-Life\" }");
        tree.put("home/snap/steam/common/.local/share/Steam/readme", "");
        std::fs::create_dir_all(home.join(".steam")).unwrap();
        std::os::unix::fs::symlink(tree.0.join(steam), home.join(".steam/root")).unwrap();
        let roots = roots(&home);
        assert_eq!(roots, [tree.0.join(steam).canonicalize().unwrap()]);
        let all = libraries(&tree.0.join(steam));
        let old = PathBuf::from("/old/steamapps");
        assert_eq!(all, [tree.0.join(steam).join("steamapps"), disk.join("steamapps"), old]);
        assert_eq!(name_of(70, &roots).as_deref(), Some("Half-Life"));
        assert_eq!(name_of(5, &roots), None);
    }
}
