//! What has to be undone when a game ends, on disk before it is done: one file a game,
//! `state/wrap/<pid>-<start>.json`. A watcher carries it out; when it was killed, the next `bolt` does.
//!
//! Niceness, affinity and I/O class are not in it: they are the game's own and end with it. Nor is
//! a scope, which systemd takes away.

use super::log::Log;
use crate::bus::{BusAddress, gamemode};
use crate::cgroup::game;
use crate::container::live;
use crate::sys::{apart, atomic, small};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The format of the file.
const VERSION: u32 = 1;
/// How long all that is undone at one time may wait for GameMode.
pub(super) const BUS_LIMIT: Duration = Duration::from_secs(2);

/// One change and how it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Undo {
    /// Take the game out of GameMode.
    GameMode {
        /// The bus where it was registered.
        bus: BusAddress,
    },
    /// Remove the leaf of the game.
    Cgroup {
        /// The directory.
        dir: PathBuf,
    },
}

/// A process that cannot be mistaken for a later one with its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) pid: i32,
    /// Start time, clock ticks since boot.
    pub(super) start: u64,
}

impl Known {
    fn of(pid: i32) -> io::Result<Known> {
        let start = live::start_time(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Known { pid, start })
    }

    pub(super) fn lives(&self) -> bool {
        live::start_time(self.pid) == Some(self.start)
    }
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct List {
    version: u32,
    boot: String,
    pub(super) game: Known,
    pub(super) undo: Vec<Undo>,
}

impl List {
    pub(super) fn read(path: &Path) -> io::Result<List> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let bytes = small::read_regular(path)?;
        match serde_json::from_slice::<Head>(&bytes)?.version {
            VERSION => Ok(serde_json::from_slice(&bytes)?),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn of_this_boot(&self) -> bool {
        self.boot == live::boot_id()
    }
}

/// The list of one game, while it is being made.
#[derive(Debug)]
pub(super) struct Undoing {
    path: PathBuf,
    list: List,
    /// The directory, once the list is in it.
    dir: Option<OwnedFd>,
    watcher: Option<i32>,
}

impl Undoing {
    /// The list of this process in directory `dir`; nothing is written yet.
    pub(super) fn of_this_process(dir: &Path) -> io::Result<Undoing> {
        let game = Known::of(rustix::process::getpid().as_raw_nonzero().get())?;
        let boot = live::boot_id().to_owned();
        let list = List { version: VERSION, boot, game, undo: Vec::new() };
        let path = dir.join(format!("{}-{}.json", game.pid, game.start));
        Ok(Undoing { path, list, dir: None, watcher: None })
    }

    /// To be called before the change is made.
    pub(super) fn add(&mut self, undo: Undo) -> io::Result<()> {
        self.list.undo.push(undo);
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match &self.dir {
            Some(dir) => write(dir, name, &self.list),
            None => {
                let dir = self.path.parent().unwrap_or(Path::new("/"));
                self.dir = Some(write_new(dir, name, &self.list)?);
                Ok(())
            }
        }
    }

    /// The last change was not made after all.
    pub(super) fn withdraw(&mut self) {
        self.list.undo.pop();
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match &self.dir {
            Some(dir) if !self.list.undo.is_empty() => drop(write(dir, name, &self.list)),
            _ => {
                forget(&self.path);
                self.dir = None;
            }
        }
    }

    /// Starts the watcher, which is `program`, once there is a list to watch over. Should this
    /// process be killed before, the next `bolt` finds the list.
    pub(super) fn watch(&mut self, log: &Path, program: &Path) -> io::Result<()> {
        if self.watcher.is_none() {
            let text = |path: &Path| {
                let odd = || {
                    let why = format!(
                        "{:?} is not valid UTF-8; set XDG_STATE_HOME to a path that is",
                        path
                    );
                    io::Error::new(io::ErrorKind::InvalidInput, why)
                };
                path.to_str().map(str::to_owned).ok_or_else(odd)
            };
            let (path, log) = (text(&self.path)?, text(log)?);
            let words = ["bolt", super::WATCH, &path, &log];
            self.watcher = Some(apart::spawn(program, &words, &[])?);
        }
        Ok(())
    }

    /// The watcher, where there is one.
    pub(super) fn watcher(&self) -> Option<u32> {
        self.watcher.and_then(|pid| u32::try_from(pid).ok())
    }
}

fn write(dir: &OwnedFd, name: &str, list: &List) -> io::Result<()> {
    // Neither a cgroup nor a registration survives a power cut.
    atomic::write_mode(dir, name, &serde_json::to_vec(list)?, atomic::Sync::Fast, 0o600)
}

/// [`write`] into a directory that another game's end may just be removing.
fn write_new(path: &Path, name: &str, list: &List) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut tries = 5;
    loop {
        fs::create_dir_all(path)?;
        let result = rustix::fs::open(path, flags, Mode::empty())
            .map_err(io::Error::from)
            .and_then(|dir| write(&dir, name, list).map(|()| dir));
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => tries -= 1,
            other => return other,
        }
    }
}

/// Takes back what a list names, newest first. What is left in `list.undo` cannot be taken back
/// yet: processes of the game live on in its control group. GameMode is not waited for after `end`:
/// gamemoded looks itself for games that are over.
pub(super) fn carry_out(list: &mut List, log: &Log, end: Instant) {
    let of_this_boot = list.of_this_boot();
    let game = list.game;
    let mut left = Vec::new();
    for undo in list.undo.drain(..).rev().filter(|_| of_this_boot) {
        match &undo {
            Undo::GameMode { bus } => {
                // Another process has the number by now: gamemoded has seen the end itself.
                if live::start_time(game.pid).is_some() {
                    continue;
                }
                let uid = rustix::process::getuid().as_raw();
                let pid = game.pid.unsigned_abs();
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    log.line(&format!(
                        "GameMode is not told of process {}: it is silent",
                        game.pid
                    ));
                } else if let Err(error) = gamemode::unregister(bus, uid, pid, left) {
                    log.line(&format!("GameMode keeps process {}: {error}", game.pid));
                }
            }
            Undo::Cgroup { dir } => match game::leave(dir) {
                Ok(true) => {}
                Ok(false) => left.insert(0, undo),
                Err(error) => log.line(&format!("{} stays: {error}", dir.display())),
            },
        }
    }
    list.undo = left;
}

/// Removes a list that was carried out, and the directory with the last one.
pub(super) fn forget(path: &Path) {
    let _ = fs::remove_file(path);
    if let Some(dir) = path.parent() {
        let _ = fs::remove_dir(dir);
    }
}

/// Undoes what killed watchers left. Costs one access(2) where no game runs.
pub fn sweep(dir: &Path, log: &Path) {
    if accessat(CWD, dir, Access::EXISTS, AtFlags::empty()).is_err() {
        return;
    }
    let log = Log::new(log);
    let end = Instant::now() + BUS_LIMIT;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            sweep_one(&path, &log, end);
        } else if live::is_abandoned(&name) {
            let _ = fs::remove_file(&path);
        }
    }
    let _ = fs::remove_dir(dir);
}

fn sweep_one(path: &Path, log: &Log, end: Instant) {
    let mut list = match List::read(path) {
        Ok(list) => list,
        // Torn, or never a list. What another version wrote, or cannot be read now, stays.
        Err(error) if !is_no_list(&error) => return,
        Err(error) => {
            log.line(&format!("{}: no list of what to undo: {error}", path.display()));
            let _ = fs::remove_file(path);
            return;
        }
    };
    // A watcher may be at it this very moment: everything can be undone twice.
    if list.of_this_boot() && list.game.lives() {
        return;
    }
    carry_out(&mut list, log, end);
    if list.undo.is_empty() {
        let _ = fs::remove_file(path);
    }
}

fn is_no_list(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    fn list(game: Known) -> List {
        let boot = live::boot_id().to_owned();
        let undo = vec![
            Undo::GameMode { bus: BusAddress::Path("/nowhere/bus".into()) },
            Undo::Cgroup { dir: "/nowhere/bolt-game-1".into() },
        ];
        List { version: VERSION, boot, game, undo }
    }

    fn own() -> Known {
        Known::of(std::process::id() as i32).unwrap()
    }

    /// A process that is over.
    fn gone() -> Known {
        Known { start: own().start + 1, ..own() }
    }

    #[test]
    fn a_list_survives_its_file() {
        let scratch = Scratch::new("undo");
        let dir = scratch.path().join("a/b");
        let wanted = list(own());
        write_new(&dir, "l.json", &wanted).unwrap();
        assert_eq!(List::read(&dir.join("l.json")).unwrap(), wanted);
        fs::write(dir.join("l.json"), "{").unwrap();
        assert!(List::read(&dir.join("l.json")).is_err());
    }

    #[test]
    fn a_place_that_the_watcher_cannot_be_told_is_named() {
        use std::os::unix::ffi::OsStrExt;
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"/state\xff"));
        let mut undoing = Undoing::of_this_process(odd).unwrap();
        let error = undoing.watch(Path::new("/log"), Path::new("/bolt")).unwrap_err().to_string();
        assert!(error.contains("\"/state\\xFF/") && error.contains("XDG_STATE_HOME"), "{error}");
    }

    #[test]
    fn a_silent_bus_costs_its_limit_once_for_all() {
        let scratch = Scratch::new("silent");
        let (dir, log) = (scratch.path().join("wrap"), scratch.path().join("wrap.log"));
        // It takes connections, and says nothing.
        let socket = scratch.path().join("bus");
        let _bus = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for pid in 0..4 {
            let game = Known { pid: i32::MAX - pid, start: 1 };
            let undo = vec![Undo::GameMode { bus: BusAddress::Path(socket.clone()) }];
            let name = format!("{pid}.json");
            write_new(&dir, &name, &List { undo, ..list(game) }).unwrap();
        }
        let begun = Instant::now();
        sweep(&dir, &log);
        assert!(begun.elapsed() >= BUS_LIMIT, "nobody was waited for");
        assert!(begun.elapsed() < BUS_LIMIT * 2, "{:?}", begun.elapsed());
        assert!(!dir.exists());
        assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 4);
    }

    #[test]
    fn lists_of_games_that_are_over_go_and_others_stay() {
        let scratch = Scratch::new("sweep");
        let (dir, log) = (scratch.path().join("wrap"), scratch.path().join("wrap.log"));
        let put = |name: &str, list: &List| drop(write_new(&dir, name, list).unwrap());
        put("lives.json", &list(own()));
        put("over.json", &list(gone()));
        put("old.json", &List { boot: "before".into(), ..list(own()) });
        fs::write(dir.join("torn.json"), "{\"version\":1").unwrap();
        fs::write(dir.join(".over.json.999999999.0.tmp"), "").unwrap();
        fs::write(dir.join(format!(".l.json.{}.0.tmp", std::process::id())), "").unwrap();
        sweep(&dir, &log);
        let mut left: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        let temporary = format!(".l.json.{}.0.tmp", std::process::id());
        assert_eq!(left, [temporary.as_str(), "lives.json"]);
        assert!(fs::read_to_string(&log).unwrap().contains("torn.json"));
        for name in left {
            fs::remove_file(dir.join(name)).unwrap();
        }
        sweep(&dir, &log);
        assert!(!dir.exists());
    }
}
