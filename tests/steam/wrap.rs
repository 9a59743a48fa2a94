//! What a game is given, and what its settings come to.

use super::{end, steam};
use crate::harness::process::{self, lives};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// A shell that prepares what `Command` cannot, and becomes the rest.
fn prepared(script: &str) -> [String; 4] {
    ["-c".into(), format!("{script}; exec \"$@\""), "sh".into(), "/usr/bin/env".into()]
}

#[test]
fn the_game_is_given_what_steam_gave() {
    let steam = steam!();
    let dir = steam.session.make_dir("a game's dir");
    let log = steam.session.file("preloads", "");
    steam.session.file("input", "in");
    let odd = [
        OsString::from_vec(b"\xff\xfe".to_vec()),
        "".into(),
        "a\nb".into(),
        "--".into(),
        "-x".into(),
    ];
    // Streams open, closed, more than three, and three signals ignored and not.
    for (number, script) in
        ["exec 5<../input 7>>../input", "trap '' PIPE XFSZ CHLD; exec 0<&- 9<../input; umask 027"]
            .iter()
            .enumerate()
    {
        let mut told = Vec::new();
        for wrapped in [false, true] {
            let file = steam.home(&format!("told-{number}-{wrapped}"));
            let mut command = steam.session.command("sh");
            // One that the C library here takes for itself.
            command.args(prepared(script)).arg("--block-signal=RTMIN");
            command.arg("LD_LIBRARY_PATH=/steam");
            command.arg(format!("LD_PRELOAD={}", steam.path("preload")));
            if wrapped {
                command.arg(steam.session.program()).args(["game", "wrap", "--"]);
            }
            command.arg(steam.path("probe")).arg(&file).arg("7").args(&odd);
            command.current_dir(&dir).env("PRELOAD_LOG", &log);
            command.env("ODD", OsString::from_vec(b"\xc3\n=x".to_vec()));
            let out = end(command.spawn().unwrap(), "a game");
            assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (7, "", ""), "{script}");
            let mut given = steam.told(&format!("told-{number}-{wrapped}")).given();
            // The one word that differs by design, and the pipes of each run.
            given.0.retain(|line| {
                !line.starts_with(b"arg /")
                    && !line.starts_with(b"fd 1 ")
                    && !line.starts_with(b"fd 2 ")
            });
            told.push(given);
        }
        assert_eq!(told[0].of("arg")[1..], odd);
        assert_eq!(told[0].variable("LD_LIBRARY_PATH").as_deref(), Some("/steam"));
        assert_eq!(told[0], told[1], "{script}");
    }
    let preloads = std::fs::read_to_string(log).unwrap();
    assert!(preloads.contains("/probe\n") && !preloads.contains("/bolt\n"), "{preloads}");
    assert!(!steam.state().exists(), "nothing had to be undone or told");
}

#[test]
fn a_reaper_before_and_behind_sees_the_games_end() {
    let steam = steam!();
    for (how, code) in [("0", 0), ("3", 3), ("255", 255)] {
        let out = end(steam.start(&["--nice", "1"], &format!("in-{how}"), how), "reaper");
        assert_eq!((out.code, out.out.as_str()), (code, ""));
        let file = steam.home(&format!("out-{how}"));
        let command = [steam.path("reaper"), "SteamLaunch".into(), "AppId=70".into(), "--".into()];
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        let probe = steam.path("probe");
        words.extend([probe.as_str(), &file, how]);
        let out = end(steam.wrap(&["--nice", "1"], &words).spawn().unwrap(), "wrapped reaper");
        assert_eq!((out.code, out.out.as_str()), (code, ""));
        assert_eq!(steam.told(&format!("out-{how}")).one("nice"), "1");
    }
    for (signal, code) in [(15, 42), (9, 137), (2, 130)] {
        let file = format!("signal-{signal}");
        let reaper = steam.start(&[], &file, "wait");
        let told = steam.told(&file);
        assert!(
            told.one("parent").starts_with(&format!("{} ", reaper.id())),
            "a child of the reaper"
        );
        process::signal(told.pid(), signal);
        assert_eq!(end(reaper, "reaper").code, code);
    }
}

#[test]
fn settings_hold_in_the_users_order() {
    let steam = steam!();
    let report = steam.home("report.json");
    let options = [
        "--env",
        "A=1",
        "--nice",
        "3",
        "--affinity",
        "0",
        "--ionice",
        "best-effort:6",
        "--env",
        "A=2=x",
        "--nice",
        "5",
        "--report",
        &report,
    ];
    let out = end(steam.start(&options, "told", "0"), "a game with settings");
    assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (0, "", ""));
    let told = steam.told("told");
    assert_eq!(told.one("nice"), "5");
    assert_eq!(told.one("ioprio"), "4006");
    assert_eq!(told.one("cpus"), "1 first 1");
    assert_eq!(told.variable("A").as_deref(), Some("2=x"));
    let (json, states) = steam.report("report.json");
    assert_eq!(json["pid"], told.pid());
    assert_eq!(json["watcher"], serde_json::Value::Null);
    let expected = ["--env", "--nice", "--affinity", "--ionice", "--env", "--nice"];
    assert_eq!(states, expected.map(|flag| format!("{flag}: applied")));
    let shell = format!("exec 9>{}; exec \"$@\"", steam.home("nine"));
    let mut command = steam.session.command("sh");
    command.args(["-c", &shell, "sh"]).arg(steam.session.program());
    command.args(["game", "wrap", "--report", "9", "--env", "TOKEN=canary", "--", "true"]);
    assert_eq!(end(command.spawn().unwrap(), "a report to a descriptor").code, 0);
    let (json, states) = steam.report("nine");
    assert_eq!(states, ["--env: applied"]);
    assert!(!json.to_string().contains("canary"));
}

#[test]
fn a_broken_setting_is_told_and_the_game_starts() {
    let steam = steam!();
    let report = steam.home("report.json");
    let options = [
        "--affinity",
        "4095",
        "--ionice",
        "fast",
        "--cpu-weight",
        "much",
        "--nice",
        "40",
        "--memory-low",
        "1g",
        "--env",
        "NAME",
        "--gamescope",
        "-W 'x",
        "--report",
        &report,
    ];
    let out = end(steam.start(&options, "told", "4"), "a game with broken settings");
    assert_eq!((out.code, out.out.as_str()), (4, ""));
    let (json, states) = steam.report("report.json");
    let flags = [
        "--affinity",
        "--ionice",
        "--cpu-weight",
        "--nice",
        "--memory-low",
        "--env",
        "--gamescope",
    ];
    for (number, flag) in flags.iter().enumerate() {
        let settled = json["settings"][number].clone();
        assert!(states[number].starts_with(flag), "{states:?}");
        // Where systemd or a delegated cgroup is, this one holds.
        if settled["state"] == "applied" {
            assert_eq!(*flag, "--memory-low");
            continue;
        }
        assert_eq!(settled["state"], "denied", "{settled}");
        assert!(settled["why"].as_str().unwrap().len() > 10, "{settled}");
        assert!(out.err.contains(&format!("warning: {flag}")), "{}", out.err);
        assert!(steam.log().contains(flag), "{}", steam.log());
    }
    let strict = end(steam.start(&["--strict", "--nice", "40"], "never", "0"), "strict");
    assert_eq!(strict.code, 125);
    assert!(strict.err.contains("not started (--strict): --nice 40: denied"), "{}", strict.err);
    assert!(!steam.session.home().join("never").exists());
    assert!(steam.log().contains("--strict"));
}

#[test]
fn gamescope_stands_around_the_game() {
    let steam = steam!();
    let none = steam.home("none.json");
    let mut command = steam.wrap(&["--gamescope", "-f", "--report", &none], &["true"]);
    assert_eq!(end(command.env("PATH", "/bin").spawn().unwrap(), "no gamescope").code, 0);
    if !std::path::Path::new("/bin/gamescope").exists() {
        assert_eq!(steam.report("none.json").1, ["--gamescope: skipped"]);
    }
    // A stand-in that writes down what it is given, sets what gamescope sets, and starts the rest.
    let bin = steam.session.make_dir("bin");
    let script = "#!/bin/sh\nenv -0 >\"$HOME/scope-env\"\nprintf '%s\\n' \"$@\" >\"$HOME/scope-args\"\n\
                  while [ \"$1\" != -- ]; do shift; done\nshift\nexport DISPLAY=:9\nexec \"$@\"\n";
    steam.session.program_file("bin/gamescope", script);
    let (probe, told) = (steam.path("probe"), steam.home("told"));
    let options = [
        "--env",
        "BOTH=1",
        "--nice",
        "2",
        "--gamescope",
        "-W 1920 --title 'a b'",
        "--env",
        "GAME=1",
    ];
    let mut command = steam.wrap(&options, &[&probe, &told, "6", "--", "x y"]);
    command.env("PATH", format!("{bin}:/usr/bin:/bin"));
    command.env("LD_LIBRARY_PATH", "/steam").env("LD_PRELOAD", steam.path("preload"));
    let out = end(command.spawn().unwrap(), "gamescope");
    assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (6, "", ""));
    let args = std::fs::read_to_string(steam.home("scope-args")).unwrap();
    let bolt = steam.session.program().display().to_string();
    let inner = ["--", &bolt, "__inner", &probe, &told, "6", "--", "x y"];
    let expected = [&["-W", "1920", "--title", "a b"][..], &inner].concat();
    assert_eq!(args.lines().collect::<Vec<_>>(), expected);
    let around = std::fs::read(steam.home("scope-env")).unwrap();
    let around: Vec<&[u8]> = around.split(|byte| *byte == 0).collect();
    let names = |name: &[u8]| around.iter().any(|entry| entry.starts_with(name));
    assert!(names(b"BOTH=1") && !names(b"GAME=") && !names(b"LD_"));
    let told = steam.told("told");
    let get = |name: &str| told.variable(name).unwrap_or_default();
    assert_eq!((get("GAME"), get("BOTH"), get("DISPLAY")), ("1".into(), "1".into(), ":9".into()));
    assert_eq!(
        (get("LD_LIBRARY_PATH"), get("LD_PRELOAD")),
        ("/steam".into(), steam.path("preload"))
    );
    assert!(told.env().keys().all(|name| !name.to_string_lossy().starts_with("BOLT_")));
    assert_eq!(told.one("nice"), "2");
    assert!(!lives(told.pid()));
    // What is no game ends with the same code as without gamescope.
    let text = steam.session.file("text", "no program");
    for (game, code) in [("/nonexistent", 127), (text.as_str(), 126)] {
        let ends = |options: &[&str]| {
            let mut command = steam.wrap(options, &[game]);
            command.env("PATH", format!("{bin}:/usr/bin:/bin"));
            end(command.spawn().unwrap(), game).code
        };
        assert_eq!((ends(&[]), ends(&["--gamescope", "-f"])), (code, code), "{game}");
    }
}
