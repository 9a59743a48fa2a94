//! A whole distribution: as debootstrap(8) installs it, pushed to a real registry, pulled by an
//! ordinary user and run.

use super::trees::{assert_same, listing, names_of_files, set_net_raw};
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use crate::harness::{Scratch, run};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Beside the least that boots: folders of many files.
const PACKAGES: &str = "--include=manpages-dev,libboost-dev";
/// Files that it has then, at least.
const ENOUGH: usize = 20_000;
/// What a container's own files take the place of, and the directory that gains a name by it.
const OTHERS: [&str; 5] = ["/etc", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"];

/// Where debootstrap, which wants no file system with `nodev`, may install this machine's own
/// distribution; or why it cannot.
fn install(tree: &str) -> Result<(), String> {
    let debootstrap = "/usr/sbin/debootstrap";
    if !Path::new(debootstrap).exists() {
        return Err("debootstrap is not installed".to_owned());
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let Some(suite) = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))
    else {
        return Err("this distribution has no code name".to_owned());
    };
    let made =
        Command::new(debootstrap).args(["--variant=minbase", PACKAGES, suite, tree]).output();
    let made = made.map_err(|e| e.to_string())?;
    match made.status.success() {
        true => Ok(()),
        false => Err(format!("debootstrap: {}", String::from_utf8_lossy(&made.stdout))),
    }
}

/// What lies in the tree, but for the directories that a container mounts something on.
fn folders(tree: &str) -> Vec<String> {
    let names = std::fs::read_dir(tree).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| !["dev", "proc", "sys"].contains(&name.as_str())).collect()
}

fn without_others(listing: BTreeSet<String>) -> BTreeSet<String> {
    let own = |line: &String| OTHERS.contains(&line.split('|').next().unwrap_or_default());
    listing.into_iter().filter(|line| !own(line)).collect()
}

/// Every file has its owner, mode, time and links, also where dozens of packages each gave theirs,
/// and every file of a package its content.
#[test]
fn a_tree_of_debootstrap_comes_as_it_was_installed() {
    let s = session!();
    if !rustix::process::geteuid().is_root() {
        skip!("only root can install a distribution");
    }
    let scratch = Scratch::below(Path::new("/var/tmp"));
    let (tree, tar) = (scratch.join("tree"), scratch.join("tar"));
    let (tree, tar) = (tree.to_str().unwrap(), tar.to_str().unwrap());
    if let Err(why) = install(tree) {
        skip!(why);
    }
    run("sh", &["-c", "rm -f \"$0\"/var/cache/apt/archives/*.deb", tree]);
    // Which of the packages bring a capability changes from release to release.
    let able = Path::new(tree).join("usr/bin/able");
    std::fs::copy(format!("{tree}/bin/cat"), &able).unwrap();
    set_net_raw(&able);

    let image = TestImage::new(&[]);
    let kept = ["--format=pax", "--numeric-owner", "--xattrs-include=security.capability"];
    let only = ["--one-file-system", "-C", tree, "-cf", tar, "."];
    run("tar", &[&kept[..], &only].concat());
    let layout = format!("{}:v1", image.layout().display());
    run("umoci", &["raw", "add-layer", "--image", &layout, tar]);
    std::fs::remove_file(tar).unwrap();
    let registry = Registry::start(Options::default());
    let name = registry.push(&image, "distribution:v1");
    s.ok(&["pull", "-q", "--tls-verify=false", &name]);
    let flags = ["--cap-add", "NET_RAW", "--network", "none", "--name", "x"];
    let id = s.ok(&[&["run", "-d"], &flags[..], &[&name, "sleep", "1000"]].concat());

    let folders = folders(tree);
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let inside = format!("/proc/{}/root", s.pids(&id).1);
    let here = |words: &[&str]| run("find", words);
    let there = |words: &[&str]| s.ok(&[&["unshare", "find"], words].concat());
    let sent = without_others(listing(tree, &folders, here));
    assert!(sent.len() >= ENOUGH, "{}", sent.len());
    assert_same(&sent, &without_others(listing(&inside, &folders, there)));
    let names = names_of_files(&format!("{tree}/usr"), here);
    assert!(!names.is_empty());
    assert_eq!(names, names_of_files(&format!("{inside}/usr"), there));
    let exec = |words: &[&str]| s.ok(&[&["exec", "--user", "1000", "x"], words].concat());
    let status = exec(&["able", "/proc/self/status"]);
    assert!(status.contains("CapEff:\t0000000000002000"), "{status}");
    // By the digests that each package brought.
    assert_eq!(s.ok(&["exec", "x", "dpkg", "--verify"]), "");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}
