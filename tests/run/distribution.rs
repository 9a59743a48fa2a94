//! A whole distribution: as debootstrap(8) installs it, pushed to a real registry, pulled by an
//! ordinary user and run.

use super::trees::{assert_same, listing};
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use crate::harness::{Scratch, run};
use std::collections::BTreeSet;

/// Beside the least that boots: a program with a file capability, and folders of many files.
const PACKAGES: &str = "--include=iputils-ping,libcap2-bin,manpages-dev,libboost-dev";
/// Files that it has then, at least.
const ENOUGH: usize = 20_000;
/// What a container's own files take the place of, and the directories that gain a name by it.
const OTHERS: [&str; 5] = ["/etc", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"];

/// What lies in the tree, but for the directories that a container mounts something on.
fn folders(tree: &str) -> Vec<String> {
    let names = std::fs::read_dir(tree).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| !["dev", "proc", "sys", "run", "tmp"].contains(&name.as_str())).collect()
}

fn without_others(listing: BTreeSet<String>) -> BTreeSet<String> {
    let own = |line: &String| OTHERS.contains(&line.split('|').next().unwrap_or_default());
    listing.into_iter().filter(|line| !own(line)).collect()
}

/// Every file has its owner, mode, time and links, also where dozens of packages each gave theirs,
/// and the distribution finds itself whole.
#[test]
fn a_tree_of_debootstrap_comes_as_it_was_installed() {
    let s = session!();
    if !rustix::process::geteuid().is_root() {
        skip!("only root can install a distribution");
    }
    let debootstrap = "/usr/sbin/debootstrap";
    if !std::path::Path::new(debootstrap).exists() {
        skip!("debootstrap is not installed");
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap();
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap();
    let scratch = Scratch::new();
    let (tree, tar) = (scratch.join("tree"), scratch.join("tar"));
    let (tree, tar) = (tree.to_str().unwrap(), tar.to_str().unwrap());
    run(debootstrap, &["--variant=minbase", PACKAGES, suite, tree]);

    let image = TestImage::new(&[]);
    let kept = ["--format=pax", "--numeric-owner", "--xattrs-include=security.capability"];
    run("tar", &[&kept[..], &["-C", tree, "-cf", tar, "."]].concat());
    let layout = format!("{}:v1", image.layout().display());
    run("umoci", &["raw", "add-layer", "--image", &layout, tar]);
    let registry = Registry::start(Options::default());
    let name = registry.push(&image, "distribution:v1");
    s.ok(&["pull", "-q", "--tls-verify=false", &name]);
    let id = s.ok(&["run", "-d", "--network", "none", "--name", "x", &name, "sleep", "1000"]);

    let folders = folders(tree);
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let inside = format!("/proc/{}/root", s.pids(&id).1);
    let sent = without_others(listing(tree, &folders, |words| run("find", words)));
    assert!(sent.len() >= ENOUGH, "{}", sent.len());
    let there = |words: &[&str]| s.ok(&[&["unshare", "find"], words].concat());
    assert_same(&sent, &without_others(listing(&inside, &folders, there)));
    let exec = |words: &[&str]| s.ok(&[&["exec", "x"], words].concat());
    assert!(exec(&["getcap", "-r", "/usr/bin"]).contains("/usr/bin/ping cap_net_raw=ep"));
    // By the digests that each package brought.
    assert_eq!(exec(&["dpkg", "--verify"]), "");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}
