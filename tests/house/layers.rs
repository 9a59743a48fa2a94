//! The shape of the house, checked as text: layers, doors, where `unsafe` lives, file sizes.

use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of a file in front of its tests.
const LONGEST: usize = 600;

/// Layer of each top module of `src/`, as drawn in `src/lib.rs`.
const LAYERS: &[(&str, u8)] = &[
    ("cmd", 4),
    ("settings", 3),
    ("launch", 3),
    ("shim", 3),
    ("wrap", 3),
    ("image", 2),
    ("rootfs", 2),
    ("spec", 2),
    ("net", 2),
    ("profile", 2),
    ("cgroup", 2),
    ("facts", 2),
    ("game", 2),
    ("gpu", 2),
    ("proton", 2),
    ("steam", 2),
    ("userns", 2),
    ("unit", 2),
    ("game", 2),
    ("bus", 1),
    ("store", 1),
    ("container", 1),
    ("exit", 1),
    ("hint", 1),
    ("ui", 1),
    ("sys", 0),
];

/// Crates with one door: the files or folders of `src/` that may name them.
const DOORS: &[(&str, &[&str])] = &[
    ("base64", &["image"]),
    ("cgroups_rs", &["cgroup"]),
    ("clap", &["cmd"]),
    ("clap_complete", &["cmd/completion.rs"]),
    ("flate2", &["image"]),
    ("futures_util", &["image"]),
    ("indicatif", &["ui/progress.rs"]),
    ("oci_spec", &["image"]),
    ("postcard", &["shim.rs", "shim"]),
    ("quick_xml", &["image/s3/xml.rs"]),
    ("reqwest", &["image"]),
    ("jiff", &["ui/human.rs", "container"]),
    ("ring", &["image"]),
    ("rustbus", &["bus", "cgroup"]),
    ("rustls", &["image"]),
    ("rustls_platform_verifier", &["image"]),
    ("semver", &["image/versions.rs"]),
    ("schemars", &["facts", "game", "gpu"]),
    ("regex_automata", &["ui/pattern.rs"]),
    ("tabwriter", &["ui/format.rs"]),
    ("tar", &["image", "cmd/cp", "rootfs/export.rs"]),
    ("tokio", &["image"]),
    ("toml", &["image/config", "profile.rs", "settings", "game"]),
    ("zstd", &["image", "store/record.rs"]),
];

/// The async island.
const ASYNC: &[(&str, &[&str])] = &[
    ("reqwest", &["image/registry"]),
    ("tokio", &["image/registry", "image/island.rs", "image/s3", "image/source", "image/push"]),
];

struct Source {
    /// Relative to the folder it was looked for in.
    path: PathBuf,
    /// Without what stands behind `#[cfg(test)]`.
    text: String,
    /// As `text`, without comments and the contents of strings.
    code: String,
}

impl Source {
    fn at(&self) -> String {
        self.path.display().to_string()
    }
    /// `src/image/types.rs` → `image`.
    fn module(&self) -> String {
        let first = self.path.iter().next().unwrap_or_default().to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }
    /// Lies in one of the places; `image/pull` stands for `pull.rs` and `pull/` both.
    fn is_in(&self, places: &[&str]) -> bool {
        let place = self.path.to_string_lossy();
        places.iter().any(|p| {
            place == *p || place == format!("{p}.rs") || place.starts_with(&format!("{p}/"))
        })
    }
    fn names_crate(&self, name: &str) -> bool {
        let path = format!("{name}::");
        let used = [format!("use {name};"), format!("use {name} as")];
        used.iter().any(|u| self.code.contains(u)) || starts_a_path(&self.code, &path)
    }
}

/// `text` holds `path` where it is not the tail of a longer name or path.
fn starts_a_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut files, mut tests) = (Vec::new(), Vec::new());
    let mut folders = if root.is_dir() { vec![root.clone()] } else { Vec::new() };
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(&dir).expect("read a source folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let whole = fs::read_to_string(&path).expect("read a source file");
                tests.extend(test_modules(&path, &whole));
                files.push((path, whole));
            }
        }
    }
    let source = |(path, whole): (PathBuf, String)| {
        let is_test = tests.iter().any(|t| path.starts_with(t) || path == t.with_extension("rs"));
        let text = if is_test { head(&whole) } else { before_tests(&whole).to_owned() };
        let code = code_of(&text);
        let path = path.strip_prefix(&root).expect("below the root").to_owned();
        Source { path, text, code }
    };
    files.into_iter().map(source).collect()
}

/// Files and folders, without `.rs`, of the modules that a file declares for tests only.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let own = ["mod", "lib", "main"].iter().any(|s| path.file_stem().is_some_and(|f| f == *s));
    let dir = if own { path.with_file_name("") } else { path.with_extension("") };
    let declared = |(at, _): (usize, &str)| {
        let line = text[at..].lines().nth(1)?.trim();
        line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')
    };
    text.match_indices("#[cfg(test)]").filter_map(declared).map(|name| dir.join(name)).collect()
}

/// The file up to its inline module of tests.
fn before_tests(text: &str) -> &str {
    let inline = |at: &usize| {
        text[*at..].lines().nth(1).is_some_and(|l| l.contains("mod ") && l.ends_with('{'))
    };
    let start = text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(inline);
    &text[..start.unwrap_or(text.len())]
}

/// The module documentation alone: what is checked of a file that is all tests.
fn head(text: &str) -> String {
    text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>().join("\n")
}

fn code_of(text: &str) -> String {
    let without_comments = |line: &str| match line.trim_start().starts_with("//") {
        true => String::new(),
        false => line.split(" // ").next().unwrap_or_default().to_owned(),
    };
    let mut code = String::new();
    for line in text.lines() {
        // Every second piece between quotes is the inside of a string.
        let line = without_comments(line).replace("\\\"", "").replace("'\"'", "");
        let outside: Vec<_> = line.split('"').step_by(2).collect();
        code.push_str(&outside.join("\"\""));
        code.push('\n');
    }
    code
}

fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

/// Modules that a file names by `crate::x` or within `crate::{x, y::z}`.
fn imports(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            let path: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
                .collect();
            found.push(path);
            continue;
        };
        let mut depth = 0;
        let mut piece = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(std::mem::take(&mut piece)),
                _ => {}
            }
            if depth == 0 && !matches!(c, ',' | '}') {
                piece.push(c);
            }
        }
        found.push(piece);
    }
    found.retain(|path| !word(path).is_empty());
    found.into_iter().map(|path| path.trim().to_owned()).collect()
}

#[test]
fn imports_point_down() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let Some(own) = layer(&source.module()) else {
            assert!(
                ["lib", "main"].contains(&source.module().as_str()),
                "{}: which layer?",
                source.at()
            );
            continue;
        };
        for path in imports(&source.code) {
            let module = path.split("::").next().unwrap_or_default();
            // Plain data that every layer may speak of.
            let plain = path.starts_with("image::types");
            if layer(module).is_some_and(|other| other > own) && !plain {
                faults.push(format!("{} (L{own}) imports crate::{path}", source.at()));
            }
        }
    }
    none(faults);
}

#[test]
fn every_module_has_a_layer() {
    let lib = sources("src").into_iter().find(|s| s.at() == "lib.rs").expect("src/lib.rs");
    let modules = lib.code.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'));
    none(modules.filter(|m| layer(m).is_none()).map(str::to_owned).collect());
}

#[test]
fn unsafe_code_lives_in_sys() {
    let mut faults = Vec::new();
    for folder in ["src", "shim/src", "api/src"] {
        for source in sources(folder) {
            let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
            if source.module() != "sys" && words.iter().any(|w| source.code.contains(w)) {
                faults.push(format!("{folder}/{}", source.at()));
            }
        }
    }
    none(faults);
}

#[test]
fn one_crate_one_door() {
    let mut faults = Vec::new();
    for source in sources("src") {
        for (name, places) in DOORS.iter().chain(ASYNC) {
            if source.names_crate(name) && !source.is_in(places) {
                faults.push(format!("{} names {name}; its door is {places:?}", source.at()));
            }
        }
    }
    faults.dedup();
    none(faults);
}

#[test]
fn the_two_programs_share_the_contract_only() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let paths = source.code.match_indices("bolt_shim::").map(|(at, found)| {
            source.code[at + found.len()..].split([':', ';']).next().unwrap_or_default().to_owned()
        });
        let contract = [
            "accounts",
            "launch",
            "report",
            "control",
            "eventlog",
            "head",
            "link",
            "processor",
            "secret",
        ];
        let foreign = |path: &String| !path.starts_with('{') && !contract.contains(&path.as_str());
        faults.extend(paths.filter(foreign).map(|p| format!("{}: bolt_shim::{p}", source.at())));
    }
    none(faults);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    for folder in ["src", "shim/src", "api/src", "tests"] {
        for source in sources(folder) {
            let lines = source.text.lines().count();
            if lines >= LONGEST {
                faults.push(format!("{folder}/{}: {lines} lines", source.at()));
            }
            if !source.text.starts_with("//!") {
                faults.push(format!("{folder}/{}: no //! on top", source.at()));
            }
        }
    }
    none(faults);
}

#[test]
fn only_the_user_interface_prints() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let macros = ["println!(", "print!(", "eprintln!(", "eprint!("];
        let prints = macros.iter().any(|m| starts_a_path(&source.code, m));
        if prints && !source.is_in(&["ui", "cmd", "main"]) {
            faults.push(source.at());
        }
    }
    none(faults);
}

#[test]
fn the_scanner_sees_what_it_looks_for() {
    let code = code_of(
        "use crate::{a::B, c::{D, E}, f}; // crate::g\nlet x = \"crate::h\"; crate::i::j();",
    );
    assert_eq!(imports(&code), ["a::B", "c::", "f", "i::j"]);
    assert!(starts_a_path("use tar::Header;", "tar::"));
    assert!(!starts_a_path("super::tar::x", "tar::"));
    assert!(!starts_a_path("guitar::x", "tar::"));
}
