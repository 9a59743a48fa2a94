//! Starters of real parts for integration tests. Everything ends with the value that holds it.

pub(crate) mod cgroup;
pub(crate) mod drift;
pub(crate) mod ferro;
pub(crate) mod image;
pub(crate) mod moto;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod pty;
pub(crate) mod registry;
#[macro_use]
pub(crate) mod s3;
#[macro_use]
pub(crate) mod skip;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod user;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of one test, removed with everything in it.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// Somebody else made it and removes it.
    borrowed: bool,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Scratch::below(&std::env::temp_dir())
    }
    pub(crate) fn below(parent: &Path) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        // No name begins with another one: what belongs to a directory is found by its name.
        let path = parent.join(format!("bolt-test-{}-{n:04}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch { path, borrowed: false }
    }
    pub(crate) fn borrowed(path: &Path) -> Self {
        Scratch { path: path.to_owned(), borrowed: true }
    }
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.borrowed {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Runs a program to its end; a failure shows what it said.
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {text}{errors}");
    text
}
