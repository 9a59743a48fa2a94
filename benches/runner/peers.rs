//! The programs that Bolt is compared with, set up as their users have them.

use super::fail;
use super::people::Person;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Words that begin every podman command of the person, and what is said about it.
pub(crate) struct Podman {
    /// `podman`, and `--runtime runc` where crun does not take this host's control groups.
    pub(crate) words: Vec<String>,
    /// For the report.
    pub(crate) about: String,
    person: Person,
}

/// Its pause process, which holds the user namespace, ends with the bench.
impl Drop for Podman {
    fn drop(&mut self) {
        end_podman(&self.person);
    }
}

/// Ends the pause process that podman leaves for a user.
pub(crate) fn end_podman(person: &Person) {
    let _ = person.command("podman").args(["system", "migrate"]).output();
}

impl Podman {
    /// Sets podman up for the person with the overlay driver; with any other the comparison
    /// would be unfair to it, so the bench ends. `image` is pulled and run once.
    pub(crate) fn new(person: &Person, image: &str) -> Self {
        let config = person.home.join(".config/containers");
        person.own_dir(&person.home.join(".config"));
        person.own_dir(&config);
        if let Err(e) = fs::write(config.join("storage.conf"), "[storage]\ndriver = \"overlay\"\n")
        {
            fail(format_args!("storage.conf: {e}"));
        }
        let info = super::output(person.command("podman").args([
            "info",
            "--format",
            "{{.Store.GraphDriverName}} {{.Host.CgroupsVersion}}",
        ]));
        if !info.starts_with("overlay") {
            fail(format_args!("podman stores by {info}, not overlay"));
        }
        super::output(person.command("podman").args(["pull", "--quiet", image]));
        let id = super::output(person.command("podman").args(["images", "--quiet"]));
        let id = id.lines().next().unwrap_or_default().to_owned();
        for extra in [&[][..], &["--runtime", "runc"]] {
            let tried = person
                .command("podman")
                .args(extra)
                .args(["run", "--rm", "--network", "none", &id, "/probe"])
                .stdin(Stdio::null())
                .output();
            if tried.is_ok_and(|o| o.status.success()) {
                let mut words = vec!["podman".to_owned()];
                words.extend(extra.iter().map(|w| (*w).to_owned()));
                let runtime = extra.last().map_or("its own runtime", |r| r);
                let about = format!("podman: storage {info}, {runtime}, image {id}");
                return Podman { words, about, person: person.clone() };
            }
        }
        fail("podman runs no container here, neither with crun nor with runc")
    }

    /// The image that [`Podman::new`] pulled.
    pub(crate) fn image(&self) -> &str {
        self.about.rsplit(' ').next().unwrap_or_default()
    }

    /// A whole command.
    pub(crate) fn command(&self, words: &[&str]) -> Vec<String> {
        self.words.iter().cloned().chain(words.iter().map(|w| (*w).to_owned())).collect()
    }
}

/// bubblewrap with the namespaces, mounts, masks and (as descriptor 9) the filter of our
/// containers. It has no overlay: `root` is a plain directory.
pub(crate) fn bwrap(root: &Path, files: &Path) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut add = |list: &[&str]| words.extend(list.iter().map(|w| (*w).to_owned()));
    add(&["bwrap", "--unshare-all", "--uid", "0", "--gid", "0", "--hostname", "bolt"]);
    add(&["--bind", &root.display().to_string(), "/", "--proc", "/proc", "--dev", "/dev"]);
    add(&["--tmpfs", "/dev/shm", "--mqueue", "/dev/mqueue", "--ro-bind", "/sys", "/sys"]);
    for name in ["hosts", "hostname", "resolv.conf"] {
        let from = files.join(name);
        if fs::write(&from, "").is_err() {
            fail("no small files for bwrap");
        }
        add(&["--bind", &from.display().to_string(), &format!("/etc/{name}")]);
    }
    for path in
        ["/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/interrupts"]
    {
        if Path::new(path).exists() {
            add(&["--dev-bind", "/dev/null", path]);
        }
    }
    for path in ["/proc/acpi", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"] {
        if Path::new(path).is_dir() {
            add(&["--tmpfs", path, "--remount-ro", path]);
        }
    }
    for path in
        ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
    {
        if Path::new(path).exists() {
            add(&["--ro-bind", path, path]);
        }
    }
    add(&["--seccomp", "9", "--", "/probe", "fill", "0"]);
    words
}

/// A docker-registry on a free loopback port; ended when dropped.
pub(crate) struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
}

impl Registry {
    /// Keeps its blobs below `dir`.
    pub(crate) fn start(dir: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        let host = free.unwrap_or_else(|e| fail(format_args!("no port: {e}"))).to_string();
        let config = dir.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{host}\"}}\n",
            dir.join("registry").display()
        );
        if let Err(e) = fs::write(&config, text) {
            fail(format_args!("{}: {e}", config.display()));
        }
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| fail(format_args!("docker-registry: {e}")));
        let registry = Registry { child, host };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&registry.host).is_err() {
            if Instant::now() > end {
                fail("docker-registry does not listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// Puts a layout there; its full name.
    pub(crate) fn push(&self, source: &str, name: &str) -> String {
        let full = format!("{}/{name}", self.host);
        let target = format!("docker://{full}");
        super::run(
            "skopeo",
            &["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", source, &target],
        );
        full
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
