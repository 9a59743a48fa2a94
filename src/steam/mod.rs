//! L2: what Steam keeps on disk: its directories, libraries, games, and compatibility tools. Only
//! read, but for the one tool that is Bolt's own.

pub mod tool;
pub mod vdf;

use crate::sys::small;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vdf::{Table, Value, VdfError};

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

/// A file of Steam's that does not say what it is there for. It is not Bolt's to mend.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It is there and cannot be read.
    #[error("read {}", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// Its text is no VDF.
    #[error("{} is broken; let Steam write it anew, or remove it", .0.display())]
    NoVdf(PathBuf, #[source] VdfError),
    /// It is VDF without what every such file has.
    #[error("{} is broken: it has no {what}; let Steam write it anew, or remove it", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
}

/// The `steamapps` directories of a Steam: its own, and those of libraryfolders.vdf on other
/// disks. A broken list counts as none, and is told beside them.
pub fn libraries(root: &Path) -> (Vec<PathBuf>, Option<Broken>) {
    match list(root) {
        Ok(listed) => (folders(root, listed), None),
        Err(broken) => (folders(root, None), Some(broken)),
    }
}

/// libraryfolders.vdf, where there is one.
fn list(root: &Path) -> Result<Option<Table>, Broken> {
    let path = root.join("steamapps/libraryfolders.vdf");
    let Some(table) = read(&path)? else { return Ok(None) };
    match table.table("libraryfolders") {
        Some(folders) => Ok(Some(folders.clone())),
        None => Err(Broken::Empty { path, what: "libraryfolders" }),
    }
}

fn folders(root: &Path, listed: Option<Table>) -> Vec<PathBuf> {
    let path = |(_, value): &(String, Value)| match value {
        Value::Table(folder) => folder.text("path").map(|path| Path::new(path).join("steamapps")),
        // Before 2021: a number and a path.
        Value::Text(path) if path.starts_with('/') => Some(Path::new(path).join("steamapps")),
        Value::Text(_) => None,
    };
    let mut found = vec![root.join("steamapps")];
    for library in listed.unwrap_or_default().0.iter().take(LIBRARIES).filter_map(path) {
        if !found.contains(&library) {
            found.push(library);
        }
    }
    found
}

/// The name of an installed game: `name` of its manifest in the first library that has it.
///
/// Errors: it was not found, and a file that may have told of it is broken.
pub fn name_of(appid: u32, roots: &[PathBuf]) -> Result<Option<String>, Broken> {
    let file = format!("appmanifest_{appid}.acf");
    let mut broken = None;
    for root in roots {
        let (libraries, unread) = libraries(root);
        broken = broken.or(unread);
        for library in libraries {
            match name_in(&library.join(&file)) {
                Ok(Some(name)) => return Ok(Some(name)),
                Ok(None) => {}
                Err(e) => {
                    broken.get_or_insert(e);
                }
            }
        }
    }
    broken.map_or(Ok(None), Err)
}

fn name_in(manifest: &Path) -> Result<Option<String>, Broken> {
    let Some(table) = read(manifest)? else { return Ok(None) };
    match table.table("AppState").and_then(|state| state.text("name")) {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(Broken::Empty { path: manifest.to_owned(), what: "name of a game" }),
    }
}

/// A file of Steam's; `None` where there is none.
fn read(path: &Path) -> Result<Option<Table>, Broken> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match small::read_regular(path) {
        Ok(bytes) => match Table::parse(&bytes) {
            Ok(table) => Ok(Some(table)),
            Err(e) => Err(Broken::NoVdf(path.to_owned(), e)),
        },
        Err(e) if matches!(e.kind(), NotFound | NotADirectory) => Ok(None),
        Err(e) => Err(Broken::Unreadable(path.to_owned(), e)),
    }
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
        let (all, broken) = libraries(&tree.0.join(steam));
        assert!(broken.is_none(), "{broken:?}");
        let old = PathBuf::from("/old/steamapps");
        assert_eq!(all, [tree.0.join(steam).join("steamapps"), disk.join("steamapps"), old]);
        assert_eq!(name_of(70, &roots).unwrap().as_deref(), Some("Half-Life"));
        assert_eq!(name_of(6, &roots).unwrap(), None);
        assert!(name_of(5, &roots).unwrap_err().to_string().contains("appmanifest_5.acf"));
    }

    /// The broken file is named where it may be why a game is not found, and only there.
    #[test]
    fn broken_files_are_named() {
        let tree = Tree::new("steam-broken");
        let game = "\"AppState\" { \"name\" \"Half-Life\" }";
        tree.put("s/steamapps/appmanifest_70.acf", game);
        let roots = [tree.0.join("s")];
        let deep = "\"a\" {".repeat(100_000);
        for list in ["\"libraryfolders\" { \"0\" {", &deep, "", "\"other\" { }", "\u{0}{"] {
            tree.put("s/steamapps/libraryfolders.vdf", list);
            let error = name_of(71, &roots).unwrap_err().to_string();
            assert!(error.contains("s/steamapps/libraryfolders.vdf"), "{error}");
            assert_eq!(name_of(70, &roots).unwrap().as_deref(), Some("Half-Life"));
            assert_eq!(libraries(&roots[0]).0, [roots[0].join("steamapps")]);
        }
        tree.put("s/steamapps/libraryfolders.vdf", "\"libraryfolders\" { }");
        assert_eq!(name_of(71, &roots).unwrap(), None);
        for manifest in ["\"AppState\" { \"na", "", "\"AppState\" { }"] {
            tree.put("s/steamapps/appmanifest_71.acf", manifest);
            let error = name_of(71, &roots).unwrap_err().to_string();
            assert!(error.contains("s/steamapps/appmanifest_71.acf"), "{error}");
        }
    }
}
