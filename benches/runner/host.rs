//! The machine and the versions, for the head of each report.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Machine, kernel, load and versions of the programs that are compared.
pub(crate) fn facts(bolt: &Path) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpu, "model name");
    let memory = field(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let versions: Vec<String> = [
        (bolt.display().to_string(), "--version"),
        ("podman".into(), "--version"),
        ("crun".into(), "--version"),
        ("runc".into(), "--version"),
        ("bwrap".into(), "--version"),
        ("conmon".into(), "--version"),
    ]
    .iter()
    .filter_map(|(program, flag)| version(program, flag))
    .collect();
    format!(
        "machine: {cores} x {model}, {memory} memory\nkernel: {}\nload: {}\nversions: {}",
        kernel.trim(),
        load(),
        versions.join("; ")
    )
}

/// Load averages now.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Waits until ext4 has forgotten what was deleted: without a journal it passes over every inode
/// that was deleted in the last six minutes whenever it looks for a free one (`recently_deleted`
/// of fs/ext4/ialloc.c), which makes files up to ten times as dear. `BOLT_BENCH_QUIET` are the
/// seconds to wait instead.
pub(crate) fn wait_for_quiet(dir: &Path) {
    let journals = fs::read_dir("/proc/fs/jbd2").map_or(0, Iterator::count);
    if journals > 0 || !file_system(dir).starts_with("ext") {
        return;
    }
    let own = std::env::var("BOLT_BENCH_QUIET").ok().and_then(|text| text.parse().ok());
    let seconds = own.unwrap_or(370);
    eprintln!("bench: waits {seconds} s, until nothing counts as just deleted");
    std::thread::sleep(std::time::Duration::from_secs(seconds));
}

/// Uses memory once and gives it back. A virtual machine's host takes free memory away (balloon,
/// page reporting of the kernel's mm/page_reporting.c), and whoever uses such a page first waits
/// for the host, which can cost more than to write a small file: a price of the machine, that
/// whoever is measured next would pay. Within seconds the host takes it again, bit by bit, so that
/// long commands pay some of it still. `BOLT_BENCH_TOUCH` are the mebibytes to use instead, 0 where
/// memory is limited.
pub(crate) fn touch_memory() {
    const PAGE: usize = 4096;
    let own = std::env::var("BOLT_BENCH_TOUCH").ok().and_then(|text| text.parse().ok());
    // What is left serves whoever needs some meanwhile.
    let free = free_memory().saturating_sub(1 << 30).min(MOST);
    let bytes = own.map_or(free, |mebibytes: usize| mebibytes << 20);
    if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
        return;
    }
    let mut memory = vec![0u8; bytes];
    for page in memory.chunks_mut(PAGE) {
        page[0] = 1;
    }
    std::hint::black_box(&memory);
}

/// More than a pull uses, as the kernel may take whichever pages are free.
const MOST: usize = 24 << 30;

/// Bytes that nothing uses.
fn free_memory() -> usize {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = field(&text, "MemFree").trim_end_matches(" kB").parse().unwrap_or(0usize);
    kib * 1024
}

/// Bytes free to users other than root on the file system of `path`.
pub(crate) fn free_disk(path: &Path) -> u64 {
    let text = super::run("stat", &["-f", "-c", "%a %S", &path.display().to_string()]);
    let numbers: Vec<u64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [blocks, size] => blocks * size,
        _ => super::fail(format_args!("stat -f {}: {text:?}", path.display())),
    }
}

/// The file system a path lies on.
pub(crate) fn file_system(path: &Path) -> String {
    super::run("stat", &["-f", "-c", "%T", &path.display().to_string()])
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find(|l| l.starts_with(name));
    line.and_then(|l| l.split_once(':')).map_or_else(|| "?".into(), |(_, v)| v.trim().to_owned())
}

fn version(program: &str, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned)
}
