//! The watcher of one game: a process of its own that sleeps until the game has ended, and undoes
//! what its list names.
//!
//! It has a session of its own and ignores what asks a program to end, so that what Steam's reaper
//! sends to the game's group does not reach it; SIGKILL does, and then the next `bolt` undoes.
//! The reaper waits for it, as for all that comes from the game: it ends as soon as it has undone.

use super::log::Log;
use super::undo::{self, BUS_LIMIT, List, Undo};
use crate::sys::apart;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

/// Looked for again after so long, should an event have been missed.
const AGAIN: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// Runs as the watcher of the list in file `path`.
pub fn watch(path: &Path, log: &Path) {
    apart::settle();
    // The game's directory may be on something that is to be unmounted.
    let _ = std::env::set_current_dir("/");
    let log = Log::new(log);
    let Ok(first) = List::read(path) else { return };
    wait_for(&first);
    // Settings were added since.
    let Ok(mut list) = List::read(path) else { return };
    loop {
        undo::carry_out(&mut list, &log, Instant::now() + BUS_LIMIT);
        let Some(Undo::Cgroup { dir }) = list.undo.first() else { break };
        wait_until_empty(&dir.clone());
    }
    undo::forget(path);
}

fn wait_for(list: &List) {
    let Some(pid) = Pid::from_raw(list.game.pid) else { return };
    // Opened first and compared then: the descriptor cannot mean another process.
    let Ok(game) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    while list.game.lives() {
        let mut fds = [PollFd::new(&game, PollFlags::IN)];
        let _ = poll(&mut fds, None);
    }
}

/// Sleeps until the kernel says that something about the cgroup has changed (cgroup-v2.rst,
/// `cgroup.events`).
fn wait_until_empty(dir: &Path) {
    let Ok(mut events) = File::open(dir.join("cgroup.events")) else { return };
    let mut text = String::new();
    let _ = events.read_to_string(&mut text);
    if text.lines().any(|line| line == "populated 1") {
        let mut fds = [PollFd::new(&events, PollFlags::PRI)];
        let _ = poll(&mut fds, Some(&AGAIN));
    }
}
