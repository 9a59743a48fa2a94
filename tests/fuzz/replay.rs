//! Every seed, and every crash that became one, goes through the function the fuzzer calls.

// The same file is a crate of its own for the fuzzer, where `pub` is what it must be.
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

/// A target's name, which is its folder of seeds, and its body.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 13] = [
    ("annotations", targets::annotations),
    ("contract", targets::contract),
    ("drift_api", targets::drift_api),
    ("key_template", targets::key_template),
    ("lock_file", targets::lock_file),
    ("manifest", targets::manifest),
    ("policy_json", targets::policy_json),
    ("reference", targets::reference),
    ("registries_conf", targets::registries_conf),
    ("registries_toml", targets::registries_toml),
    ("s3_answers", targets::s3_answers),
    ("tar", targets::tar),
    ("vdf", targets::vdf),
];

fn seeds() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

#[test]
fn seeds_come_back() {
    for (name, target) in TARGETS {
        let mut count = 0;
        for entry in std::fs::read_dir(seeds().join(name)).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            let result = std::panic::catch_unwind(|| target(&data));
            assert!(result.is_ok(), "{} stops the target", path.display());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

#[test]
fn every_folder_of_seeds_is_replayed() {
    let mut folders: Vec<String> = std::fs::read_dir(seeds())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(folders, names);
}
