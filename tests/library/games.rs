//! Launching games as GhostForge does. The numbers are those of its contract: what an unmodified
//! GhostForge needs.

use super::PATIENCE;
use crate::harness::process::{finish, signal};
use crate::harness::user::until;
use std::fs;
use std::time::{Duration, Instant};

const SWAPPED: &str = "run_container was given variables as volumes";

fn lines<'a>(record: &'a str, start: &str) -> Vec<&'a str> {
    record.lines().filter_map(|line| line.strip_prefix(start)).collect()
}

/// 1 swapped arguments, 2 the name again, 3 no command, 6 host paths, 7 back after the start,
/// 8 options, 9 the prefix, 11 `bolt://`, 12 the variables: all in two launches in a row.
#[test]
fn a_game_is_launched_twice_in_a_row() {
    let forge = forge!().with_image();
    let begin = Instant::now();
    let mut play = forge.play(&["PROTON_NO_ESYNC=1", "-high", "-threads 8"]);
    play.env("DISPLAY", ":77");
    let (out, record) = forge.launched(play);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(out.err.matches(SWAPPED).count(), 1, "{out:?}");
    assert_eq!(forge.status(), "running");
    assert_eq!(record.lines().next(), Some("/game"));
    assert_eq!(lines(&record, "word "), ["/game/quake.exe", "-high", "-threads", "8"]);
    for variable in [
        "NVIDIA_VISIBLE_DEVICES=all",
        "NVIDIA_DLSS_ENABLED=1",
        "__GL_YIELD=USLEEP",
        "WINEARCH=win64",
        "WINEPREFIX=/wine-prefix/q1",
        "PROTON_NO_ESYNC=1",
    ] {
        assert!(record.lines().any(|line| line == variable), "{variable}: {record}");
    }
    // There is no display 0 here, but the caller has one.
    let display = if std::path::Path::new("/tmp/.X11-unix/X0").exists() { ":0" } else { ":77" };
    assert_eq!(lines(&record, "DISPLAY="), [display]);
    assert_eq!(lines(&record, "launch").len(), 1);
    let first = forge.session.inspect("ghostforge-q1", ".Id");
    forge.quit();

    let (_, record) = forge.launched(forge.play(&[]));
    assert_ne!(forge.session.inspect("ghostforge-q1", ".Id"), first);
    assert_eq!(lines(&record, "word "), ["/game/quake.exe"]);
    // What the first launch saved is there.
    assert_eq!(lines(&record, "launch").len(), 2);
    let list = forge.run(&["list"]);
    assert_eq!(list.out, "ghostforge-q1 running\n", "{list:?}");
    let stop = forge.run(&["stop", "q1"]);
    assert_eq!((stop.code, stop.out.as_str(), stop.err.as_str()), (0, "stopped\n", ""));
    assert_eq!(forge.run(&["list"]).out, "ghostforge-q1 exited\n");
    // win10 is what a prefix has anyway.
    assert!(!forge.game.join("winecfg").exists());
}

/// 2: a game that runs is not replaced.
#[test]
fn a_game_that_runs_is_not_launched_again() {
    let forge = forge!().with_image();
    forge.launched(forge.play(&[]));
    let mut play = forge.play(&[]);
    let out = finish(play.spawn().unwrap(), PATIENCE, "play");
    let want =
        "NameInUse: the name \"ghostforge-q1\" is in use by a container that runs: stop it first";
    assert!(out.code == 1 && out.err.ends_with(&format!("{want}\n")), "{out:?}");
    assert_eq!(forge.status(), "running");
}

/// 2: of two who launch at once one finds the name taken, whichever step the other is at.
#[test]
fn a_game_that_is_launched_by_two_at_once_runs_once() {
    let forge = forge!().with_image();
    for _ in 0..4 {
        let _ = fs::remove_file(forge.game.join("quit"));
        let both = [(); 3].map(|()| forge.play(&[]).spawn().unwrap());
        let ended = both.map(|child| finish(child, PATIENCE, "play"));
        let (won, lost): (Vec<_>, Vec<_>) = ended.iter().partition(|out| out.code == 0);
        let is_told = |out: &&crate::harness::process::Out| out.err.contains("NameInUse: the name");
        assert!(won.len() == 1 && lost.iter().all(is_told), "{ended:?}");
        forge.quit();
    }
}

/// The end of the caller, whatever it is, is none of the game's.
#[test]
fn a_killed_caller_leaves_the_game_alone() {
    let forge = forge!().with_image();
    let _ = fs::remove_file(forge.game.join("quit"));
    for number in [9, 2] {
        let mut play = forge.play(&[]);
        let mut child = play.env("STAY", "1").spawn().unwrap();
        until("the game", || forge.game.join("record").exists());
        signal(child.id(), number);
        child.wait().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(forge.status(), "running", "signal {number}");
        fs::remove_file(forge.game.join("record")).unwrap();
        forge.quit();
        fs::remove_file(forge.game.join("quit")).unwrap();
    }
}

/// 10: Proton by its directory, and nothing of the host's Wine is touched.
#[test]
fn proton_is_found_by_its_directory_or_what_is_there_is_told() {
    let forge = forge!().with_image();
    let home = forge.session.home();
    let tools = home.join(".steam/root/compatibilitytools.d");
    for build in ["GE-Proton9-7", "GE-Proton8-26"] {
        fs::create_dir_all(tools.join(build)).unwrap();
        fs::write(tools.join(build).join("proton"), "#!/bin/sh\nexit 1\n").unwrap();
    }
    let mut play = forge.play(&[]);
    let out = finish(play.env("PROTON", "GE-Proton7-1").spawn().unwrap(), PATIENCE, "play");
    let want = "ProtonNotFound: Proton \"GE-Proton7-1\" is not installed; there are: GE-Proton8-26, GE-Proton9-7\n";
    assert_eq!((out.code, out.err.as_str()), (1, want));
    let mut play = forge.play(&[]);
    play.env("PROTON", "GE-Proton8-26");
    let (_, record) = forge.launched(play);
    assert_eq!(lines(&record, "PROTON_VERSION="), ["GE-Proton8-26"]);
    assert!(!home.join(".wine").exists());
}

/// 10: what could not be looked at is told beside what is there.
#[test]
fn a_proton_that_a_broken_file_may_lead_to_is_told() {
    let forge = forge!();
    let root = forge.session.home().join(".steam/root");
    fs::create_dir_all(root.join("compatibilitytools.d")).unwrap();
    fs::create_dir_all(root.join("steamapps")).unwrap();
    fs::write(root.join("steamapps/libraryfolders.vdf"), "\"libraryfolders\" { \"0\"").unwrap();
    let missing = || {
        let mut play = forge.play(&[]);
        let play = play.env("PROTON", "Proton 9.0").spawn().unwrap();
        let out = finish(play, PATIENCE, "play");
        let file = "steamapps/libraryfolders.vdf is broken; let Steam write it anew";
        assert!(out.code == 1 && out.err.contains(file), "{out:?}");
        out.err
    };
    let start = "ProtonNotFound: Proton \"Proton 9.0\" is not installed; ";
    let said = missing();
    let none = format!("{start}none was found, but not all could be read: /");
    assert!(said.contains(&none), "{said}");
    let build = root.join("compatibilitytools.d/GE-Proton9-7");
    fs::create_dir_all(&build).unwrap();
    fs::write(build.join("proton"), "#!/bin/sh\n").unwrap();
    let said = missing();
    assert!(said.contains(&format!("{start}there are: GE-Proton9-7; but not all could")), "{said}");
}

/// Its name is what is wrong, and not the volume that is called after it.
#[test]
fn a_name_that_is_none_is_told() {
    let forge = forge!();
    let game = forge.game.to_str().unwrap();
    let out = forge.run(&["play", "my game", game, "wine x"]);
    let want = "BadArgument: \"ghostforge-my game\": it is no name of a container";
    assert!(out.code == 1 && out.err.contains(want), "{out:?}");
}

/// 11: no image, no container, and the kind of error that says so.
#[test]
fn an_image_that_cannot_be_had_is_told() {
    let forge = forge!();
    let mut play = forge.play(&[]);
    let out = finish(play.env("IMAGE", "bolt://nothing").spawn().unwrap(), PATIENCE, "play");
    assert!(
        out.code == 1 && out.err.contains("ImagePullFailed: image \"bolt://nothing\": "),
        "{out:?}"
    );
    let pull = forge.run(&["pull", "oci:/none:x"]);
    assert!(pull.err.starts_with("ImagePullFailed: image \"oci:/none:x\": "), "{pull:?}");
    assert_eq!(forge.run(&["list"]).out, "\n");
    let stop = forge.run(&["stop", "q1"]);
    assert_eq!(stop.err, "ContainerNotFound: there is no container \"ghostforge-q1\"\n");
}

/// A program that the image does not have, and a command line that is none.
#[test]
fn a_game_that_does_not_start_is_told() {
    let forge = forge!().with_image();
    let game = forge.game.to_str().unwrap().to_owned();
    let none = forge.run(&["play", "q1", &game, "nosuch --x"]);
    assert!(none.code == 1 && none.err.contains("StartFailed: "), "{none:?}");
    assert!(none.err.contains("nosuch"), "{none:?}");
    // The next try finds the name free.
    assert_eq!(forge.status(), "exited");
    let open = forge.run(&["play", "q1", &game, "wine 'x"]);
    assert!(
        open.err.ends_with("BadArgument: \"wine 'x\": a quote ' is never closed\n"),
        "{open:?}"
    );
    assert_eq!(forge.status(), "exited");
    let empty = forge.run(&["play", "q1", &game, ""]);
    assert!(empty.err.ends_with("BadArgument: \"\": it names no program\n"), "{empty:?}");
    assert_eq!(forge.status(), "exited");
    let gone = forge.run(&["play", "q1", "/no such directory", "wine x"]);
    assert!(gone.err.contains("StartFailed: mount at /game: /no such directory"), "{gone:?}");
}

/// The rest of the documented calls.
#[test]
fn the_other_calls_do_what_they_say() {
    let forge = forge!().with_image();
    let image = "localhost/gaming-optimized";
    // Its /bin/sh reads nothing and ends.
    let out = forge.run(&["foreground", image, "fine"]);
    assert_eq!((out.out.as_str(), out.code), ("ended\n", 0), "{out:?}");
    assert_eq!(forge.run(&["list"]).out, "fine exited\n");
    forge.session.ok(&["rm", "fine"]);
    forge.session.detached("r", &[], "sleep 1000");
    let rest = forge.run(&["rest", "r"]);
    let want =
        format!("{} ContainerNotFound: there is no container \"r\"\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((rest.code, rest.out), (0, want), "{}", rest.err);
}

/// What happens from the call on, and a filter that is none.
#[test]
fn events_are_a_stream() {
    let forge = forge!().with_image();
    let out = forge.run(&["events", "localhost/gaming-optimized", "watched"]);
    assert_eq!((out.out.as_str(), out.code), ("create init start died 0\n", 0), "{out:?}");
    let odd = forge.run(&["odd-events"]);
    assert!(
        odd.err.starts_with("CommandFailed: bolt events: ") && odd.err.contains("planet"),
        "{odd:?}"
    );
    // The program that told them ended with the stream.
    forge.session.assert_quiet();
}
