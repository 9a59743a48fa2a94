//! Programs that run beside a test, and what is left of them.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Out {
    /// The exit code, or minus the signal.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Puts a program at `path`, executable by all. Another process writes it: a descriptor of ours
/// that may write would be in whatever a thread beside this one forks just then, and until that
/// has become its own program, nobody can execute the file (execve(2), ETXTBSY).
pub(crate) fn write_program(path: &Path, content: impl AsRef<[u8]>) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut child = install.spawn().unwrap();
    child.stdin.take().unwrap().write_all(content.as_ref()).unwrap();
    assert!(child.wait().unwrap().success(), "{}", path.display());
}

/// Waits for the end; kills and panics after `patience`.
pub(crate) fn finish(mut child: Child, patience: Duration, what: &str) -> Out {
    drop(child.stdin.take());
    let readers = [
        child.stdout.take().map(|pipe| reader(Box::new(pipe))),
        child.stderr.take().map(|pipe| reader(Box::new(pipe))),
    ];
    let code = wait(&mut child, patience, what);
    let [out, err] = readers.map(|reader| {
        let bytes = reader.map(|r| r.join().unwrap()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    Out { code, out, err }
}

fn reader(mut pipe: Box<dyn Read + Send>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// The exit code, or minus the signal; kills and panics after `patience`.
pub(crate) fn wait(child: &mut Child, patience: Duration, what: &str) -> i32 {
    let end = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or_else(|| -status.signal().unwrap());
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("{what}: not done after {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Living processes whose program, arguments, environment, directory or mounts name `text`.
/// Zombies do not count: some containers' pid 1 reaps no orphans.
pub(crate) fn belonging_to(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        if pid == std::process::id() || !lives(pid) {
            continue;
        }
        let path = entry.path();
        let has = |name: &str| {
            let bytes = std::fs::read(path.join(name)).unwrap_or_default();
            bytes.windows(text.len()).any(|w| w == text.as_bytes())
        };
        let link = |name: &str| {
            let target = std::fs::read_link(path.join(name)).unwrap_or_default();
            target.to_string_lossy().contains(text)
        };
        let why: Vec<&str> = [
            ("cmdline", has("cmdline")),
            ("environ", has("environ")),
            ("mountinfo", has("mountinfo")),
            ("exe", link("exe")),
            ("cwd", link("cwd")),
        ]
        .iter()
        .filter(|(_, yes)| *yes)
        .map(|(name, _)| *name)
        .collect();
        if !why.is_empty() {
            let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(format!("pid {pid} ({}): {command}", why.join(", ")));
        }
    }
    found
}

/// Whether a process is there and not only waits to be reaped.
pub(crate) fn lives(pid: u32) -> bool {
    !matches!(state(pid).as_deref(), None | Some("Z" | "X"))
}

/// Whether SIGSTOP has arrived.
pub(crate) fn is_stopped(pid: u32) -> bool {
    state(pid).as_deref() == Some("T")
}

/// proc_pid_stat(5), field 3.
fn state(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().next().map(str::to_owned)
}

/// Sends a signal by number.
pub(crate) fn signal(pid: u32, number: i32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    let signal = rustix::process::Signal::from_named_raw(number).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
