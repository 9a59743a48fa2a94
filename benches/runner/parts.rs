//! The programs under measurement: Bolt as built, the C sources compiled now.

use super::people::Person;
use super::{fail, run};
use std::fs;
use std::path::{Path, PathBuf};

/// The bench's directory and the programs in it.
pub(crate) struct Parts {
    /// On a disk, everybody may look, removed at the end.
    pub(crate) dir: PathBuf,
    /// In memory: what a runtime directory is for.
    pub(crate) memory: PathBuf,
    /// Copies of the release programs.
    pub(crate) bolt: PathBuf,
    /// `floor.c`.
    pub(crate) floor: PathBuf,
    /// `probe.c`.
    pub(crate) probe: PathBuf,
    /// `measure.c`.
    pub(crate) measure: PathBuf,
    /// Which compiler made them.
    pub(crate) compiler: &'static str,
}

impl Parts {
    /// Compiles and copies. `BOLT_BENCH_DIR` is where (`/var/tmp`), `BOLT_BENCH_BIN` the
    /// directory with `bolt` and `bolt-shim` (the newest release build below `target/`).
    pub(crate) fn new() -> Self {
        let base = std::env::var_os("BOLT_BENCH_DIR").map_or("/var/tmp".into(), PathBuf::from);
        let dir = base.join(format!("bolt-bench-{}", std::process::id()));
        let memory = PathBuf::from(format!("/dev/shm/bolt-bench-{}", std::process::id()));
        let bin = dir.join("bin");
        for path in [&bin, &memory] {
            fs::create_dir_all(path)
                .unwrap_or_else(|e| fail(format_args!("make {}: {e}", path.display())));
        }
        let built = built();
        for program in ["bolt", "bolt-shim"] {
            copy(&built.join(program), &bin.join(program));
        }
        let (floor, probe, measure) =
            (compile(&bin, "floor"), compile(&bin, "probe"), compile(&bin, "measure"));
        run("chmod", &["-R", "a+rX", &dir.display().to_string()]);
        Parts { bolt: bin.join("bolt"), dir, memory, floor, probe, measure, compiler: compiler().0 }
    }

    /// Compiles another of the C sources.
    pub(crate) fn compile(&self, name: &str) -> PathBuf {
        compile(&self.dir.join("bin"), name)
    }

    /// Pulls for the person; the image's id.
    pub(crate) fn pull(&self, person: &Person, name: &str) -> String {
        super::output(person.command(&self.bolt).args(["pull", "--quiet", name]))
    }

    /// `bolt` and words.
    pub(crate) fn command(&self, words: &[&str]) -> Vec<String> {
        let bolt = self.bolt.display().to_string();
        std::iter::once(bolt).chain(words.iter().map(|w| (*w).to_owned())).collect()
    }

    /// The seccomp program that Bolt loads, as it says itself; for floor and bwrap as well.
    pub(crate) fn filter(&self, person: &Person, image: &str) -> PathBuf {
        let plan = super::output(person.command(&self.bolt).args([
            "run",
            "--dry-run",
            "--network",
            "none",
            image,
            "/probe",
        ]));
        let start = plan.find("\"seccomp\": [").unwrap_or_else(|| fail("no seccomp in the plan"));
        let rest = &plan[start + 12..];
        let list = rest.split(']').next().unwrap_or_default();
        let bytes: Vec<u8> = list.split(',').filter_map(|n| n.trim().parse().ok()).collect();
        let path = self.dir.join("filter");
        if bytes.is_empty() || fs::write(&path, bytes).is_err() {
            fail("no seccomp program");
        }
        path
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // rm goes on after what it cannot remove; a process that ends late may still write.
        for _ in 0..3 {
            let done = std::process::Command::new("rm")
                .arg("-rf")
                .args([&self.memory, &self.dir])
                .status();
            if done.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
}

fn built() -> PathBuf {
    if let Some(dir) = std::env::var_os("BOLT_BENCH_BIN") {
        return dir.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let arch = std::env::consts::ARCH;
    let places = [format!("{arch}-unknown-linux-musl/release"), "release".into()];
    let found = places
        .iter()
        .map(|p| target.join(p))
        .find(|p| p.join("bolt").exists() && p.join("bolt-shim").exists());
    found.unwrap_or_else(|| {
        fail(format_args!(
            "no release build below {}; cargo build --release --workspace --target {arch}-unknown-linux-musl",
            target.display()
        ))
    })
}

fn compile(bin: &Path, name: &str) -> PathBuf {
    let (compiler, flags) = compiler();
    let source = format!("{}/benches/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let out = bin.join(name);
    let target = out.display().to_string();
    let mut words = vec!["-O2", "-static", "-pthread", "-Wall", "-Wextra"];
    words.extend(&flags);
    words.extend([source.as_str(), "-o", &target]);
    run(compiler, &words);
    out
}

fn copy(from: &Path, to: &Path) {
    if let Err(e) = fs::copy(from, to) {
        fail(format_args!("copy {}: {e}", from.display()));
    }
}

/// musl where there is one, as Bolt is linked; its headers lack the kernel's.
fn compiler() -> (&'static str, Vec<&'static str>) {
    let there = std::process::Command::new("musl-gcc").arg("--version").output().is_ok();
    if !there {
        return ("cc", Vec::new());
    }
    let more = ["-idirafter", "/usr/include", "-idirafter"];
    let mut flags = more.to_vec();
    flags.push(match std::env::consts::ARCH {
        "aarch64" => "/usr/include/aarch64-linux-gnu",
        _ => "/usr/include/x86_64-linux-gnu",
    });
    ("musl-gcc", flags)
}
