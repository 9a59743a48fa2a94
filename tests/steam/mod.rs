//! Bolt between Steam and a game: a reaper, a game that tells what it was given, and the tools of
//! a desktop.

mod gamemode;
mod layers;
mod odd;
mod tool;
mod wrap;

use crate::harness::process::{Out, finish};
use crate::harness::run;
use crate::harness::user::{Session, until};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

/// A user with Bolt, and the programs of `reaper.c`, `probe.c` and `preload.c`.
struct Steam {
    session: Session,
}

impl Steam {
    fn new() -> Result<Steam, String> {
        let session = Session::empty()?;
        let steam = Steam { session };
        for (name, flags) in
            [("reaper", &["-O1"][..]), ("probe", &["-O1"]), ("preload", &["-shared", "-fPIC"])]
        {
            let source = format!("{}/tests/steam/{name}.c", env!("CARGO_MANIFEST_DIR"));
            let out = steam.path(name);
            let mut words = vec!["-Wall", "-Wextra", "-Werror", source.as_str(), "-o", &out];
            words.extend(flags);
            run("cc", &words);
        }
        Ok(steam)
    }

    /// A file of the session's own directory.
    fn path(&self, name: &str) -> String {
        self.session.dir().join(name).to_str().unwrap().to_owned()
    }

    /// A file in the user's home.
    fn home(&self, name: &str) -> String {
        self.session.home().join(name).to_str().unwrap().to_owned()
    }

    fn state(&self) -> PathBuf {
        self.session.home().join(".local/state/bolt")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.state().join("wrap.log")).unwrap_or_default()
    }

    /// `bolt game wrap OPTIONS -- COMMAND`.
    fn wrap(&self, options: &[&str], command: &[&str]) -> Command {
        let mut words = vec!["game", "wrap"];
        words.extend(options);
        words.push("--");
        words.extend(command);
        self.session.bolt(&words)
    }

    /// The reaper around `bolt game wrap OPTIONS -- probe FILE HOW`, and FILE in the home.
    fn start(&self, options: &[&str], file: &str, how: &str) -> Child {
        let file = self.home(file);
        let bolt = self.session.program();
        let probe = self.path("probe");
        let mut words =
            vec!["SteamLaunch", "AppId=70", "--", bolt.to_str().unwrap(), "game", "wrap"];
        words.extend(options);
        words.extend(["--", &probe, &file, how]);
        self.session.command(self.path("reaper")).args(words).spawn().unwrap()
    }

    /// What a probe wrote to a file in the home; waits for it.
    fn told(&self, file: &str) -> Told {
        let path = self.session.home().join(file);
        until(&format!("{file} is written"), || path.exists());
        Told::read(&std::fs::read(&path).unwrap())
    }

    /// The states of a report in the home: `--nice: applied`.
    fn report(&self, file: &str) -> (serde_json::Value, Vec<String>) {
        let path = self.session.home().join(file);
        until(&format!("{file} is written"), || path.exists());
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let state = |s: &serde_json::Value| {
            format!("{}: {}", s["setting"].as_str().unwrap(), s["state"].as_str().unwrap())
        };
        let states = json["settings"].as_array().unwrap().iter().map(state).collect();
        (json, states)
    }
}

/// What a probe wrote, by its first words.
#[derive(Debug, PartialEq)]
struct Told(Vec<Vec<u8>>);

impl Told {
    fn read(bytes: &[u8]) -> Told {
        Told(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
    }

    /// Everything but the process's own numbers.
    fn given(mut self) -> Told {
        self.0.retain(|line| !line.starts_with(b"pid ") && !line.starts_with(b"parent "));
        self
    }

    fn of(&self, what: &str) -> Vec<OsString> {
        let start = format!("{what} ");
        let rest = |line: &Vec<u8>| line.strip_prefix(start.as_bytes()).map(<[u8]>::to_vec);
        self.0.iter().filter_map(rest).map(OsString::from_vec).collect()
    }

    fn one(&self, what: &str) -> String {
        self.of(what).first().unwrap_or(&OsString::new()).to_string_lossy().into_owned()
    }

    fn pid(&self) -> u32 {
        self.one("pid").parse().unwrap()
    }

    fn env(&self) -> BTreeMap<OsString, OsString> {
        let pair = |entry: OsString| {
            let bytes = entry.as_bytes();
            let at = bytes.iter().position(|byte| *byte == b'=')?;
            let part = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
            Some((part(&bytes[..at]), part(&bytes[at + 1..])))
        };
        self.of("env").into_iter().filter_map(pair).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        Some(self.env().get(OsStr::new(name))?.to_string_lossy().into_owned())
    }
}

fn end(child: Child, what: &str) -> Out {
    finish(child, Duration::from_secs(20), what)
}

/// A [`Steam`], or the end of the test that calls it.
macro_rules! steam {
    () => {
        match $crate::steam::Steam::new() {
            Ok(steam) => steam,
            Err(reason) => $crate::skip!(reason),
        }
    };
}
use steam;
