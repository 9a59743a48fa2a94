//! The ordinary user as whom everything is measured. Root makes one, as `contrib/user` does.

use super::{fail, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who runs the programs, and with which directories.
#[derive(Clone)]
pub(crate) struct Person {
    /// Login name.
    pub(crate) name: String,
    /// User id.
    pub(crate) uid: u32,
    /// HOME, on a disk, below the bench's directory.
    pub(crate) home: PathBuf,
    /// XDG_RUNTIME_DIR, in memory.
    pub(crate) runtime: PathBuf,
    drop: bool,
    set: Vec<(&'static str, String)>,
}

impl Person {
    /// The caller, or for root the user `BOLT_USER` (`bolt-test`), with a home of this bench.
    pub(crate) fn new(dir: &Path, home: &str) -> Self {
        let caller: u32 = run("id", &["-u"]).parse().unwrap_or(0);
        let name = match caller {
            0 => std::env::var("BOLT_USER").unwrap_or_else(|_| "bolt-test".into()),
            _ => run("id", &["-un"]),
        };
        if caller == 0 {
            let here = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/user");
            run("sh", &["-c", &format!("BOLT_USER={name}; . {here}")]);
        }
        let uid = run("id", &["-u", &name]).parse().unwrap_or_else(|_| fail("no uid"));
        let runtime = match caller {
            0 => PathBuf::from(format!("/run/user/{uid}")),
            _ => std::env::var_os("XDG_RUNTIME_DIR").map_or("/dev/shm".into(), PathBuf::from),
        };
        let home = dir.join(home);
        let person = Person { name, uid, home, runtime, drop: caller == 0, set: Vec::new() };
        person.own_dir(&person.home);
        if caller == 0 {
            person.own_dir(&person.runtime);
        }
        person
    }

    /// Whoever runs the bench, with a home of its own.
    pub(crate) fn caller(dir: &Path) -> Self {
        let uid = run("id", &["-u"]).parse().unwrap_or(0);
        let home = dir.join("caller");
        let person = Person {
            name: run("id", &["-un"]),
            uid,
            runtime: home.clone(),
            home,
            drop: false,
            set: Vec::new(),
        };
        person.own_dir(&person.home);
        person
    }

    /// The same, with an environment variable for everything it runs.
    pub(crate) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut other = self.clone();
        other.set.push((name, value.into()));
        other
    }

    /// Makes a directory that belongs to the person.
    pub(crate) fn own_dir(&self, path: &Path) {
        if let Err(e) = fs::create_dir_all(path) {
            fail(format_args!("make {}: {e}", path.display()));
        }
        if self.drop {
            run("chown", &[&self.name, &path.display().to_string()]);
        }
    }

    /// A command that runs as the person, with a small environment.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = if self.drop {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", &self.name, "--regid", &self.name, "--init-groups"]);
            command.arg(program.as_ref());
            command
        } else {
            Command::new(program.as_ref())
        };
        command.env_clear().current_dir("/");
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").env("USER", &self.name);
        command.env("HOME", &self.home).env("XDG_RUNTIME_DIR", &self.runtime);
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        command
    }
}
