//! The trees of images: every file comes as it was sent, no start changes one, and a layer hides
//! what it shall.

use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use crate::harness::user::{Session, has};
use crate::harness::{Scratch, run};
use bolt_engine::image::platform;
use bolt_engine::image::types::Digest;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chownat, mknodat,
    setxattr, utimensat,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Folders of real files, taken until there are [`ENOUGH`]. No machine has all of them.
const SOURCES: [&str; 12] = [
    "usr/share/zoneinfo",
    "usr/share/perl",
    "usr/share/man/man2",
    "usr/share/man/man3",
    "usr/share/man/man5",
    "usr/share/man/man7",
    "usr/share/man/man8",
    "usr/lib/python3",
    "usr/lib/python3.11",
    "usr/share/doc",
    "usr/share/man/man1",
    "usr/include",
];
const ENOUGH: usize = 10_000;
/// What is compared of a directory, and of all else: the size of a directory is its file system's.
const DIRECTORY: &str = "%p|%y|%m|%U:%G|%T@\n";
const OTHER: &str = "%p|%y|%m|%U:%G|%T@|%s|%n|%l\n";
/// `cap_net_raw+ep` as `security.capability` holds it (linux/capability.h, vfs_cap_data).
const NET_RAW: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The folders of real files, below `/`; none where there are too few.
fn real_folders() -> Vec<&'static str> {
    let (mut taken, mut count) = (Vec::new(), 0);
    for source in SOURCES.into_iter().filter(|source| Path::new("/").join(source).is_dir()) {
        taken.push(source);
        count += run("find", &[&format!("/{source}")]).lines().count();
        if count >= ENOUGH {
            return taken;
        }
    }
    Vec::new()
}

fn own(path: &Path, uid: u32, gid: u32) {
    let ids = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    chownat(CWD, path, ids.0, ids.1, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Gives a program `cap_net_raw+ep`.
pub(super) fn set_net_raw(path: &Path) {
    setxattr(path, "security.capability", &NET_RAW, XattrFlags::empty()).unwrap();
}

fn set_time(path: &Path, tv_sec: i64, tv_nsec: i64) {
    let time = Timespec { tv_sec, tv_nsec: tv_nsec as _ };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// What few real packages have, or none: owners, bits, links, times, and a capability.
fn make_odd_files(root: &Path) {
    let dir = |name: &str, owner: (u32, u32), mode: u32| {
        let path = root.join(name);
        fs::create_dir_all(&path).unwrap();
        own(&path, owner.0, owner.1);
        set_mode(&path, mode);
        path
    };
    let file = |name: &str, owner: (u32, u32), mode: u32| {
        let path = root.join(name);
        fs::write(&path, name).unwrap();
        own(&path, owner.0, owner.1);
        // After the owner: chown(2) takes the bits away.
        set_mode(&path, mode);
        path
    };
    dir("made", (0, 0), 0o755);
    dir("made/sticky", (0, 0), 0o1777);
    dir("made/team", (1000, 44), 0o2775);
    dir("made/closed", (65534, 65534), 0o000);
    dir("made/closed/inside", (4321, 1), 0o500);
    for (uid, gid) in [(0, 5), (1, 1), (1000, 1000), (4321, 1234), (65534, 65534), (0, 65534)] {
        file(&format!("made/of {uid} and {gid}"), (uid, gid), 0o640);
    }
    for (mode, owner) in [
        (0o4755, (0, 0)),
        (0o4711, (1000, 1000)),
        (0o2755, (0, 44)),
        (0o6755, (1234, 4321)),
        (0o1644, (0, 0)),
        (0o000, (65534, 0)),
    ] {
        file(&format!("made/mode {mode:o}"), owner, mode);
    }
    fs::write(root.join("made/empty"), "").unwrap();
    fs::write(root.join(format!("made/{}", "n".repeat(255))), "long").unwrap();
    fs::write(root.join("made/jalape\u{f1}o \\ \"'$x"), "odd").unwrap();
    let deep = dir(&"made/deep/er".repeat(20), (1000, 0), 0o755);
    fs::write(deep.join("file"), "deep").unwrap();
    let far = "x/".repeat(1000);
    for (n, to) in ["/etc/passwd", "../made/empty", "nowhere", far.as_str()].iter().enumerate() {
        let link = root.join(format!("made/link {n}"));
        symlink(to, &link).unwrap();
        own(&link, 1000 + n as u32, 65534);
        set_time(&link, 1_000_000_000 + n as i64, 500_000_000);
    }
    let first = file("made/names", (1000, 44), 0o4755);
    for name in ["made/sticky/second", "made/team/third"] {
        fs::hard_link(&first, root.join(name)).unwrap();
    }
    let pipe = root.join("made/pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    own(&pipe, 1, 1000);
    dir("made/able", (0, 0), 0o755);
    let able = root.join("made/able/cat");
    fs::copy("/bin/busybox", &able).unwrap();
    set_net_raw(&able);
    // Directories last: a file made in one is a new time of it.
    for (name, seconds, parts) in [
        ("made/empty", 0, 0),
        ("made/of 1 and 1", 1, 1),
        ("made/of 1000 and 1000", -86_401, 250_000_000),
        ("made/names", 951_827_696, 123_456_789),
        ("made/mode 4755", 4_102_444_800, 999_999_999),
        ("made/deep", 86_399, 0),
        ("made/sticky", 1_234_567_890, 987_654_321),
        ("made", 2_147_483_648, 1),
    ] {
        set_time(&root.join(name), seconds, parts);
    }
}

/// A line of each file below folders of `root`; `find` is the machine's own, for both sides.
pub(super) fn listing(
    root: &str,
    folders: &[&str],
    find: impl Fn(&[&str]) -> String,
) -> BTreeSet<String> {
    let folders: Vec<String> = folders.iter().map(|folder| format!("{root}/{folder}")).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let shown = ["-type", "d", "-printf", DIRECTORY, "-o", "-printf", OTHER];
    let text = find(&[&folders[..], &shown].concat());
    text.lines().map(|line| line.strip_prefix(root).unwrap().to_owned()).collect()
}

/// The names of each file that has several.
pub(super) fn names_of_files(
    tree: &str,
    find: impl Fn(&[&str]) -> String,
) -> BTreeSet<Vec<String>> {
    let text = find(&[tree, "!", "-type", "d", "-links", "+1", "-printf", "%i|%P\n"]);
    let mut files = BTreeMap::<&str, BTreeSet<String>>::new();
    for line in text.lines() {
        let (inode, name) = line.split_once('|').unwrap();
        files.entry(inode).or_default().insert(name.to_owned());
    }
    files.into_values().map(|names| names.into_iter().collect()).collect()
}

pub(super) fn assert_same(sent: &BTreeSet<String>, came: &BTreeSet<String>) {
    let lost: Vec<_> = sent.difference(came).take(20).collect();
    let new: Vec<_> = came.difference(sent).take(20).collect();
    assert!(lost.is_empty() && new.is_empty(), "sent: {lost:#?}\ncame: {new:#?}");
}

/// A real registry gives an ordinary user more than ten thousand files with all owners, bits and
/// times that they have. What is compared is what a container sees.
#[test]
fn a_large_tree_comes_as_it_was_sent() {
    let s = session!();
    if !rustix::process::geteuid().is_root() {
        skip!("only root can make files of several owners");
    }
    let folders = real_folders();
    if folders.is_empty() {
        skip!("this machine has too few files of its own");
    }
    let source = Scratch::new();
    make_odd_files(source.path());
    let image = TestImage::new(&[]);
    let (from, tar) = (source.path().to_str().unwrap(), source.join("tar"));
    let (tar, layout) = (tar.to_str().unwrap(), image.layout());
    let kept = ["--format=pax", "--numeric-owner", "--xattrs-include=security.capability"];
    let places = [&["-C", "/"], &folders[..], &["-C", from, "made"]].concat();
    run("tar", &[&kept[..], &["-cf", tar], &places].concat());
    let name = format!("{}:v1", layout.display());
    run("umoci", &["raw", "add-layer", "--image", &name, tar]);
    let registry = Registry::start(Options::default());
    let name = registry.push(&image, "large:v1");
    s.ok(&["pull", "-q", "--tls-verify=false", &name]);
    let sleep = ["/bin/busybox", "sleep", "1000"];
    let id = s.ok(&[
        &["run", "-d", "--cap-add", "NET_RAW", "--network", "none", "--name", "x", &name],
        &sleep[..],
    ]
    .concat());

    let inside = format!("/proc/{}/root", s.pids(&id).1);
    let there = |words: &[&str]| s.ok(&[&["unshare", "find"], words].concat());
    let here = |words: &[&str]| run("find", words);
    let sent = listing("", &folders, here);
    assert!(sent.len() >= ENOUGH, "{}", sent.len());
    assert_same(&sent, &listing(&inside, &folders, there));
    let odd = listing(from, &["made"], here);
    assert!(odd.len() > 40, "{}", odd.len());
    assert_same(&odd, &listing(&inside, &["made"], there));
    let (ours, theirs) = (format!("{from}/made"), format!("{inside}/made"));
    let names = names_of_files(&ours, here);
    assert_eq!(names.first().map(Vec::len), Some(3), "{names:?}");
    assert_eq!(names, names_of_files(&theirs, there));
    // The capability: as it is read where the machine can, and as the kernel gives it to a user.
    if has("getcap") {
        let shown = run("getcap", &["-r", &ours]).replace(&ours, "");
        assert_eq!(shown.trim(), "/able/cat cap_net_raw=ep");
        let came = s.ok(&["unshare", "getcap", "-r", &theirs]).replace(&theirs, "");
        assert_eq!(came.trim(), shown.trim());
    }
    for (program, want) in [(&["/made/able/cat"][..], 1 << 13), (&["/bin/busybox", "cat"], 0)] {
        let exec = ["exec", "--user", "1000:1000", "x"];
        let status = s.ok(&[&exec[..], program, &["/proc/self/status"]].concat());
        let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        assert_eq!(u64::from_str_radix(mask.trim(), 16), Ok(want), "{program:?}");
    }
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}

/// All that a start could change of the files of images.
fn state_of_layers(s: &Session) -> BTreeSet<String> {
    let layers = s.data().join("store/layers");
    let shown = ["-printf", "%P|%i|%C@|%U:%G|%m|%y|%n|%s\n"];
    let text = s.ok(&[&["unshare", "find", layers.to_str().unwrap()], &shown[..]].concat());
    text.lines().map(str::to_owned).collect()
}

/// Neither copied nor given to somebody else. The first start with other ids unpacks the layers
/// once for those, beside the ones that are there; no later one does.
#[test]
fn no_start_changes_the_files_of_an_image() {
    let s = session!();
    let pulled = state_of_layers(&s);
    assert!(pulled.len() > 200, "{pulled:?}");
    let kept = ["--userns", "keep-id"];
    assert_eq!(s.script(&kept, "id -u"), s.user.uid.to_string());
    let before = state_of_layers(&s);
    assert!(before.len() > pulled.len(), "keep-id has a tree of its own");
    // The directory above both trees has a new entry; nothing else of the first is another.
    let theirs = |line: &&String| line.contains('/');
    let changed: Vec<_> = pulled.difference(&before).filter(theirs).collect();
    assert!(changed.is_empty(), "{changed:#?}");

    let writes = "echo w >>/srv/data/file; chmod 700 /etc; chown 5:5 /etc/passwd; rm /etc/group";
    assert_eq!(s.script(&[], &format!("{writes}; cat /srv/data/file")), "from the image\nw");
    assert_same(&before, &state_of_layers(&s));
    assert_eq!(s.script(&kept, "id -u"), s.user.uid.to_string());
    assert_same(&before, &state_of_layers(&s));
    let out = s.once(&["--read-only"], &["sh", "-c", "echo w >>/srv/data/file"]);
    assert!(out.code != 0 && out.err.contains("Read-only"), "{out:?}");
    assert_same(&before, &state_of_layers(&s));
    s.detached("x", &[], "exec sleep 1000");
    s.ok(&["exec", "x", "sh", "-c", writes]);
    assert_same(&before, &state_of_layers(&s));
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    assert_same(&before, &state_of_layers(&s));
    assert_eq!(
        s.script(&[], "cat /srv/data/file; stat -c %u:%a /etc/passwd"),
        "from the image\n0:644"
    );
}

/// Whiteouts of a file, of a directory and of a link, one that is taken back, and a directory
/// that hides all below it (image-spec, layer.md).
#[test]
fn what_an_upper_layer_hides_is_not_there() {
    let s = session!();
    let image = TestImage::new(&[]);
    let write = |root: &Path, names: &[&str]| {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    };
    image.add(|root| {
        write(root, &["d/hidden", "d/kept", "d/back", "d/dir/a", "d/dir/b", "d/other/kept"]);
        write(root, &["opaque/old", "opaque/deep/old", "opaque/both"]);
        symlink("kept", root.join("d/link")).unwrap();
    });
    image.add(|root| {
        let hidden = ["d/.wh.hidden", "d/.wh.back", "d/.wh.dir", "d/.wh.link"];
        write(root, &hidden);
        write(root, &["d/added", "opaque/.wh..wh..opq", "opaque/new", "opaque/both"]);
    });
    image.add(|root| write(root, &["d/back"]));
    let registry = Registry::start(Options::default());
    let name = registry.push(&image, "hides:v1");
    s.ok(&["pull", "-q", "--tls-verify=false", &name]);
    let script = "B=/bin/busybox; $B find /d /opaque | $B sort; $B cat /d/back /opaque/both; \
                  for gone in /d/hidden /d/dir/a /d/link /opaque/old /opaque/deep; do \
                  $B stat $gone 2>&1 | $B grep -c 'No such file'; done";
    let out =
        s.ok(&["run", "--rm", "--network", "none", &name, "/bin/busybox", "sh", "-c", script]);
    let want = "/d\n/d/added\n/d/back\n/d/kept\n/d/other\n/d/other/kept\n/opaque\n/opaque/both\n\
                /opaque/new\nd/backopaque/both1\n1\n1\n1\n1";
    assert_eq!(out, want);
}

/// A tar of one layer: what it has of `/`.
fn layer(number: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, mode: u32, bytes: &[u8]| {
        let mut head = tar::Header::new_gnu();
        head.set_size(bytes.len() as u64);
        head.set_mode(mode);
        tar.append_data(&mut head, name, bytes).unwrap();
    };
    if number == 0 {
        add("bin/busybox", 0o755, &fs::read("/bin/busybox").unwrap());
    }
    add(&format!("layers/{number}"), 0o644, b"");
    add("top", 0o644, number.to_string().as_bytes());
    tar.into_inner().unwrap()
}

/// An image layout of `count` layers; umoci would take ten seconds for it.
fn write_layout(place: &Path, count: usize) {
    let blobs = place.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let kind = |name: &str| format!("application/vnd.oci.image.{name}");
    let blob = |name: &str, bytes: &[u8]| {
        let digest = Digest::sha256_of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": kind(name), "digest": digest.as_str(), "size": bytes.len() })
    };
    let layers: Vec<_> = (0..count).map(|n| blob("layer.v1.tar", &layer(n))).collect();
    let ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let host = platform::host();
    let config = json!({ "architecture": host.architecture, "os": host.os,
        "rootfs": { "type": "layers", "diff_ids": ids } });
    let config = blob("config.v1+json", config.to_string().as_bytes());
    let manifest = json!({ "schemaVersion": 2, "mediaType": kind("manifest.v1+json"),
        "config": config, "layers": layers });
    let mut manifest = blob("manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(place.join("index.json"), index.to_string()).unwrap();
    fs::write(place.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
}

/// As many layers as images have at most. Their paths are longer than the page that mount(2) takes.
#[test]
fn a_hundred_and_twenty_seven_layers_are_one_root() {
    let s = session!();
    let place = Scratch::new();
    write_layout(place.path(), 127);
    let id = s.ok(&["pull", "-q", &format!("oci:{}:v1", place.path().display())]);
    let script = "B=/bin/busybox; $B ls /layers | $B wc -l; $B ls /layers/0 /layers/126; \
                  $B cat /top; echo; echo w >/layers/0; $B cat /layers/0; \
                  $B grep ' / / ' /proc/self/mountinfo";
    let out = s.ok(&["run", "--rm", "--network", "none", &id, "/bin/busybox", "sh", "-c", script]);
    let (seen, mount) = out.rsplit_once('\n').unwrap();
    assert_eq!(seen, "127\n/layers/0\n/layers/126\n126\nw");
    assert!(mount.contains(" - overlay "), "{mount}");
    // Since 6.8 the kernel tells each layer by the option that it came with.
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|n| n.parse::<u32>().ok());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    if version >= (6, 8) {
        assert_eq!(mount.matches("lowerdir+=").count(), 127, "{mount}");
    }
}
