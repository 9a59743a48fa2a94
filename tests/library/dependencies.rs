//! What a program takes in with the library.

/// Nothing that runs futures, and nothing of the engine.
const FOREIGN: &[&str] = &[
    "bolt-engine",
    "bolt-shim",
    "tokio",
    "async-std",
    "smol",
    "futures-util",
    "clap",
    "reqwest",
    "ring",
    "rustix",
    "nix",
    "libc",
    "anyhow",
];

#[test]
fn the_library_brings_no_runtime_and_no_engine() {
    let words = ["tree", "--locked", "--package", "bolt", "--edges", "normal", "--prefix", "none"];
    let Some(mut cargo) = super::cargo(&words) else { skip!("not run by cargo") };
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.contains(&"bolt") && names.contains(&"serde_json"), "{names:?}");
    let foreign: Vec<_> = names.iter().filter(|name| FOREIGN.contains(name)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(names.len() <= 16, "{names:?}");
}
