//! Against GNU tar: its archives unpack to the tree it was given, and rebuild byte for byte.

use super::*;
use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;

fn tar_of(dir: &Path, options: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("tar");
    command.args(options).arg("-C").arg(dir).args(["-cf", "-", "."]);
    match command.output() {
        Ok(output) if output.status.success() => Some(output.stdout),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            println!("skipped: no tar program");
            None
        }
    }
}

/// Everything that should be equal: mode, owner, times, links, content.
fn describe(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = path.symlink_metadata().unwrap();
        let content = if meta.is_symlink() {
            format!("{:?}", std::fs::read_link(&path).unwrap())
        } else if meta.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            String::new()
        } else if meta.is_file() {
            let digest = crate::image::types::Digest::sha256_of(&std::fs::read(&path).unwrap());
            format!("{} {} {digest}", meta.len(), meta.nlink())
        } else {
            format!("{}", meta.rdev())
        };
        let owner = if is_root() { (meta.uid(), meta.gid()) } else { (0, 0) };
        let line =
            format!("{:o} {owner:?} {}.{} {content}", meta.mode(), meta.mtime(), meta.mtime_nsec());
        found.insert(path.strip_prefix(dir).unwrap().to_owned(), line);
    }
    found
}

/// A small tree with everything in it.
fn sample(scratch: &Scratch) -> PathBuf {
    let dir = scratch.top().join("outside/sample");
    let long = "a-long-name-".repeat(12);
    std::fs::create_dir_all(dir.join(&long).join(&long)).unwrap();
    std::fs::write(dir.join(&long).join(&long).join("file"), "deep").unwrap();
    std::fs::write(dir.join("empty"), "").unwrap();
    std::fs::write(dir.join("block"), [7u8; 512]).unwrap();
    std::fs::write(dir.join("large"), [8u8; 700_001]).unwrap();
    std::fs::hard_link(dir.join("large"), dir.join("linked")).unwrap();
    std::os::unix::fs::symlink(long.repeat(2), dir.join("dangling")).unwrap();
    let file = std::fs::File::create(dir.join("holes")).unwrap();
    for n in 0..40u64 {
        file.write_all_at(b"data", n * 100_000).unwrap();
    }
    file.set_len(10_000_000).unwrap();
    std::fs::File::create(dir.join("hole")).unwrap().set_len(1 << 20).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, dir.join("pipe"), fifo, Mode::RUSR, 0).unwrap();
    dir
}

const DIALECTS: &[&[&str]] = &[
    &["--format=gnu"],
    &["--format=gnu", "--sparse"],
    &["--format=pax"],
    &["--format=pax", "--sparse", "--sparse-version=0.0"],
    &["--format=pax", "--sparse", "--sparse-version=0.1"],
    &["--format=pax", "--sparse", "--sparse-version=1.0"],
];

#[test]
fn every_dialect_unpacks_to_the_same_tree_and_rebuilds() {
    let source = Scratch::new();
    let dir = sample(&source);
    let wanted = describe(&dir);
    for options in DIALECTS {
        let Some(tar) = tar_of(&dir, options) else { return };
        let scratch = Scratch::new();
        let stats = scratch.round_trip(&tar);
        assert!(stats.rebuildable);
        let got = describe(&scratch.path(""));
        if options[0] == "--format=gnu" {
            // Whole seconds only in this dialect.
            let cut = |all: &BTreeMap<PathBuf, String>| -> Vec<String> {
                all.values().map(|l| l.split('.').next().unwrap().to_owned()).collect()
            };
            assert_eq!(cut(&got), cut(&wanted), "{options:?}");
        } else {
            assert_eq!(got, wanted, "{options:?}");
        }
        let holes = scratch.path("holes").metadata().unwrap();
        assert_eq!(holes.blocks() < 10_000, options.contains(&"--sparse"), "{options:?}");
    }
}

#[test]
fn a_tar_that_ends_within_a_sparse_map_is_truncated() {
    let source = Scratch::new();
    let dir = source.top().join("outside/sparse");
    std::fs::create_dir(&dir).unwrap();
    std::fs::rename(sample(&source).join("holes"), dir.join("holes")).unwrap();
    for options in DIALECTS.iter().filter(|options| options.contains(&"--sparse")) {
        let Some(tar) = tar_of(&dir, options) else { return };
        // Some of these blocks are headers, some the map, some content; all of them are wanted.
        let name = tar.chunks(512).position(|block| block[..100].windows(5).any(|w| w == b"holes"));
        let first = name.unwrap() * 512 + 1;
        for end in (first..first + 6 * 512).step_by(73) {
            let error = Scratch::new().unpack(&tar[..end]).unwrap_err();
            assert!(matches!(error, UnpackError::Truncated { .. }), "{options:?} {end}: {error}");
        }
    }
}

#[test]
fn a_real_tree_unpacks_as_gnu_tar_unpacks_it() {
    let dir = Path::new("/usr/share/doc");
    let Some(tar) = tar_of(dir, &["--format=pax"]) else { return };
    let (ours, theirs) = (Scratch::new(), Scratch::new());
    let stats = ours.round_trip(&tar);
    assert!(stats.rebuildable && stats.entries > 1);
    let mut command = Command::new("tar");
    command.args(["-xpf", "-", "-C"]).arg(theirs.path("")).stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &tar).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(describe(&ours.path("")), describe(&theirs.path("")));
}

#[test]
fn a_layer_goes_through_the_store_while_it_is_downloaded() {
    use crate::image::types::Digest;
    use crate::store::{LayerFacts, Layout, Store};
    let source = Scratch::new();
    let Some(tar) = tar_of(&sample(&source), &["--format=pax", "--sparse"]) else { return };
    let store = Store::open(&source.top().join("outside/store")).unwrap();
    let digest = Digest::sha256_of(&tar);
    let partial = store.partial(&digest).unwrap();
    let staging = store.stage_layer(Layout::Single, &digest).unwrap().unwrap();
    let stats = std::thread::scope(|scope| {
        let (reader, staging, tar_len) = (partial.reader(), &staging, tar.len() as u64);
        let reader = std::io::BufReader::new(reader);
        let unpacking = scope.spawn(move || {
            let mut record = staging.record_writer().unwrap();
            let owners = Owners::single();
            let limits = Limits::for_blob(tar_len);
            let out: &mut dyn Write = &mut record;
            let stats = unpack_layer(reader, staging.dir(), &owners, &limits, Some(out)).unwrap();
            (stats, record)
        });
        tar.chunks(10_007).for_each(|piece| partial.append(piece).unwrap());
        partial.finish(tar.len() as u64).unwrap();
        unpacking.join().unwrap()
    });
    let (stats, record) = stats;
    let facts = LayerFacts {
        size: stats.bytes,
        entries: stats.entries,
        rebuildable: stats.rebuildable,
        ..LayerFacts::new(digest.clone())
    };
    staging.commit(&facts, Some(record)).unwrap();
    store.settle(Layout::Single, std::slice::from_ref(&digest)).unwrap();
    partial.remove().unwrap();

    let record = store.read_record(Layout::Single, &digest).unwrap().unwrap();
    let dir = std::fs::File::open(store.layer_path(Layout::Single, &digest)).unwrap();
    let mut again = Vec::new();
    rebuild(record, dir.as_fd(), &mut again).unwrap();
    assert!(again == tar);
}
