//! A real gamemoded: games are registered, and taken out whatever was killed.

use super::{Steam, end, steam};
use crate::harness::process::{lives, signal};
use crate::harness::user::{has, until};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

/// A session bus and GameMode's daemon on it, ended with the test.
struct Desktop {
    bus: String,
    programs: Vec<Child>,
}

impl Desktop {
    fn start(steam: &Steam) -> Result<Desktop, String> {
        for (program, package) in [
            ("dbus-daemon", "dbus-daemon"),
            ("gamemoded", "gamemode-daemon"),
            ("dbus-send", "dbus-bin"),
        ] {
            if !has(program) {
                return Err(format!("no {program} (Debian package {package})"));
            }
        }
        let socket = steam.session.runtime().join("bus");
        let bus = format!("unix:path={}", socket.display());
        let mut desktop = Desktop { bus: bus.clone(), programs: Vec::new() };
        let mut daemon = steam.session.command("dbus-daemon");
        daemon.args(["--session", "--nofork", "--nopidfile", &format!("--address={bus}")]);
        desktop.programs.push(quiet(daemon).spawn().unwrap());
        until("the bus answers", || UnixStream::connect(&socket).is_ok());
        let mut daemon = steam.session.command("gamemoded");
        daemon.env("DBUS_SESSION_BUS_ADDRESS", &bus);
        desktop.programs.push(quiet(daemon).spawn().unwrap());
        until("gamemoded has its name", || desktop.games(steam) == Some(0));
        Ok(desktop)
    }

    /// How many games gamemoded says it has.
    fn games(&self, steam: &Steam) -> Option<u32> {
        let mut ask = steam.session.command("dbus-send");
        ask.env("DBUS_SESSION_BUS_ADDRESS", &self.bus).args([
            "--session",
            "--print-reply=literal",
            "--dest=com.feralinteractive.GameMode",
            "/com/feralinteractive/GameMode",
            "org.freedesktop.DBus.Properties.Get",
            "string:com.feralinteractive.GameMode",
            "string:ClientCount",
        ]);
        let out = ask.output().unwrap();
        String::from_utf8_lossy(&out.stdout).split_whitespace().last()?.parse().ok()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for program in self.programs.iter_mut().rev() {
            let _ = program.kill();
            let _ = program.wait();
        }
        // A killed daemon leaves its socket.
        if let Some(socket) = self.bus.strip_prefix("unix:path=") {
            let _ = std::fs::remove_file(socket);
        }
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn games_are_registered_and_taken_out_whatever_is_killed() {
    let steam = steam!();
    let desktop = match Desktop::start(&steam) {
        Ok(desktop) => desktop,
        Err(reason) => crate::skip!(reason),
    };
    let lists = || std::fs::read_dir(steam.state().join("wrap")).map_or(0, Iterator::count);
    for killed in ["nobody", "game", "watcher", "both"] {
        let report = steam.home(&format!("{killed}.json"));
        // The bus is found where systemd puts it, without an address in the environment.
        let reaper = steam.start(&["--gamemode", "--report", &report], killed, "wait");
        let game = steam.told(killed).pid();
        let (json, states) = steam.report(&format!("{killed}.json"));
        assert_eq!(states, ["--gamemode: applied"], "{json}");
        let watcher = u32::try_from(json["watcher"].as_u64().unwrap()).unwrap();
        assert_eq!((desktop.games(&steam), lists()), (Some(1), 1));
        assert!(lives(watcher));
        // What Steam sends to a game's processes does not end the watcher.
        [1, 2, 15].iter().for_each(|number| signal(watcher, *number));
        let whole = ["nobody", "game"].contains(&killed);
        if !whole {
            signal(watcher, 9);
            until("the watcher is dead", || !lives(watcher));
            // The game lives: nothing is undone.
            steam.session.ok(&["version"]);
            assert_eq!((desktop.games(&steam), lists()), (Some(1), 1));
        }
        let (number, code) = if killed == "nobody" { (15, 42) } else { (9, 137) };
        signal(game, number);
        // The reaper has waited for the watcher too.
        assert_eq!(end(reaper, "reaper").code, code);
        if !whole {
            assert_eq!(lists(), 1, "nobody was there to undo it");
            steam.session.ok(&["version"]);
        }
        assert_eq!((desktop.games(&steam), lists()), (Some(0), 0), "{killed}");
        assert!(!steam.state().join("wrap").exists());
    }
}

#[test]
fn a_desktop_without_gamemode_is_skipped() {
    let steam = steam!();
    let report = steam.home("report.json");
    let mut command = steam.wrap(&["--gamemode", "--report", &report], &["true"]);
    assert_eq!(end(command.spawn().unwrap(), "no bus").code, 0);
    let (json, states) = steam.report("report.json");
    assert_eq!(states, ["--gamemode: skipped"]);
    assert!(json["settings"][0]["why"].as_str().unwrap().contains("no session bus"));
}
