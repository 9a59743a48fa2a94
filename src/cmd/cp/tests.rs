//! Docker's rules, and trees that want to lead out.

use super::*;
use crate::sys::scratch::Scratch;
use std::os::unix::fs::{PermissionsExt, symlink};

const PLAIN: Rules = Rules { keep_owner: false, owner: (0, 0), overwrite: false };

fn at(root: &Path, text: &str) -> Place {
    Place {
        root: std::fs::File::open(root).unwrap().into(),
        path: Path::new("/").join(text),
        wants_dir: text.ends_with('/') || text.ends_with("/."),
        contents: text.ends_with("/."),
        shown: text.to_owned(),
    }
}

/// Every file below, as `path=content` or `path->target`.
fn listing(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if let Ok(target) = std::fs::read_link(&path) {
                found.push(format!("{name}->{}", target.display()));
            } else if path.is_dir() {
                found.push(format!("{name}/"));
                waiting.push(path);
            } else {
                found.push(format!("{name}={}", std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn source() -> Scratch {
    let scratch = Scratch::new("cp-source");
    let root = scratch.path();
    std::fs::create_dir_all(root.join("d/sub")).unwrap();
    std::fs::write(root.join("f"), "one").unwrap();
    std::fs::write(root.join("d/g"), "two").unwrap();
    std::fs::set_permissions(root.join("d/g"), PermissionsExt::from_mode(0o640)).unwrap();
    symlink("/etc/passwd", root.join("d/sub/l")).unwrap();
    scratch
}

#[test]
fn sides_are_told_apart() {
    let container = |n: &str, p: &str| Side::Container(n.into(), p.into());
    assert_eq!(side("-").unwrap(), Side::Stream);
    assert_eq!(side("c:/x").unwrap(), container("c", "/x"));
    assert_eq!(side("c:x:y").unwrap(), container("c", "x:y"));
    assert_eq!(side("./c:x").unwrap(), Side::Host("./c:x".into()));
    assert_eq!(side("/c:x").unwrap(), Side::Host("/c:x".into()));
    assert_eq!(side("file").unwrap(), Side::Host("file".into()));
    assert!(side(":x").is_err() && side("c:").is_err());
}

#[test]
fn slashes_mean_what_they_mean_to_docker() {
    // (source, target, what is in the target's root afterwards); the target has `dir/` and `file`.
    let cases: &[(&str, &str, &[&str])] = &[
        ("f", "new", &["dir/", "file=old", "new=one"]),
        ("f", "file", &["dir/", "file=one"]),
        ("f", "dir", &["dir/", "dir/f=one", "file=old"]),
        ("f", "dir/", &["dir/", "dir/f=one", "file=old"]),
        (
            "d",
            "new",
            &["dir/", "file=old", "new/", "new/g=two", "new/sub/", "new/sub/l->/etc/passwd"],
        ),
        (
            "d",
            "dir",
            &[
                "dir/",
                "dir/d/",
                "dir/d/g=two",
                "dir/d/sub/",
                "dir/d/sub/l->/etc/passwd",
                "file=old",
            ],
        ),
        ("d/.", "dir", &["dir/", "dir/g=two", "dir/sub/", "dir/sub/l->/etc/passwd", "file=old"]),
    ];
    for (from, to, want) in cases {
        let (source, target) = (source(), Scratch::new("cp-target"));
        std::fs::create_dir(target.path().join("dir")).unwrap();
        std::fs::write(target.path().join("file"), "old").unwrap();
        copy(&at(source.path(), from), &at(target.path(), to), PLAIN)
            .unwrap_or_else(|e| panic!("{from} {to}: {e:#}"));
        assert_eq!(listing(target.path()), *want, "{from} {to}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let cases = [
        ("nosuch", "new"),
        ("f/", "new"),
        ("f", "new/"),
        ("d", "file"),
        ("f", "no/new"),
        ("f", "file/"),
    ];
    for (from, to) in cases {
        let (source, target) = (source(), Scratch::new("cp-target"));
        std::fs::write(target.path().join("file"), "old").unwrap();
        assert!(
            copy(&at(source.path(), from), &at(target.path(), to), PLAIN).is_err(),
            "{from} {to}"
        );
        assert_eq!(listing(target.path()), ["file=old"], "{from} {to}");
    }
}

/// CVE-2018-15664, CVE-2019-14271: a link in the container must not lead to the host.
#[test]
fn links_of_the_container_stay_inside() {
    let (source, outside, target) = (source(), Scratch::new("outside"), Scratch::new("cp-target"));
    symlink(outside.path(), target.path().join("link")).unwrap();
    symlink(outside.path(), target.path().join("d")).unwrap();
    assert!(copy(&at(source.path(), "f"), &at(target.path(), "link/f"), PLAIN).is_err());
    // A link where a directory of the source goes.
    std::fs::create_dir(target.path().join("into")).unwrap();
    symlink(outside.path(), target.path().join("into/d")).unwrap();
    assert!(copy(&at(source.path(), "d"), &at(target.path(), "into"), PLAIN).is_err());
    assert_eq!(listing(outside.path()), Vec::<String>::new());
    // Reading through one.
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let copied = Scratch::new("copied");
    assert!(copy(&at(target.path(), "link/secret"), &at(copied.path(), "x"), PLAIN).is_err());
}

#[test]
fn overwrite_exchanges_files_and_directories() {
    let rules = Rules { overwrite: true, ..PLAIN };
    let (source, target) = (source(), Scratch::new("cp-target"));
    std::fs::create_dir_all(target.path().join("into/f/deep")).unwrap();
    std::fs::write(target.path().join("into/d"), "file").unwrap();
    assert!(copy(&at(source.path(), "f"), &at(target.path(), "into"), PLAIN).is_err());
    copy(&at(source.path(), "f"), &at(target.path(), "into"), rules).unwrap();
    copy(&at(source.path(), "d"), &at(target.path(), "into"), rules).unwrap();
    assert!(target.path().join("into/d/g").is_file());
    assert!(target.path().join("into/f").is_file());
    let mode = std::fs::metadata(target.path().join("into/d/g")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn archives_carry_a_tree_and_cannot_lead_out() {
    let (source, target) = (source(), Scratch::new("cp-target"));
    let place = at(source.path(), "d");
    let mut bytes = Vec::new();
    let mut sink = archive::TarSink::new(&mut bytes);
    let (from, _) = place.look().unwrap().unwrap();
    Walk::new("d").copy(&from, "d", &mut sink).unwrap();
    sink.finish().unwrap();
    let mut sink = TreeSink::new(target.fd(), PLAIN);
    archive::unpack(&bytes[..], &mut sink).unwrap();
    assert_eq!(listing(target.path()), ["d/", "d/g=two", "d/sub/", "d/sub/l->/etc/passwd"]);

    for name in ["../x", "/x", "a/../../x"] {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(1);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(&[b'x'; 512]);
        bytes.extend_from_slice(&[0; 1024]);
        let empty = Scratch::new("cp-empty");
        let mut sink = TreeSink::new(empty.fd(), PLAIN);
        assert!(archive::unpack(&bytes[..], &mut sink).is_err(), "{name}");
    }
}
