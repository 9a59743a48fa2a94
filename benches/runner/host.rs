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
