//! Command lines that cannot be meant: one clear error each.

use super::{end, steam};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

#[test]
fn odd_command_lines_are_one_error_each() {
    let steam = steam!();
    let bytes = OsString::from_vec(b"/no/\xff\xfegame".to_vec());
    let cases: [(&[&str], i32, &str); 8] = [
        (&[], 125, "no command was given"),
        (&["--nice", "1", "--"], 125, "no command was given"),
        (&["--", ""], 125, "first word of the command is empty"),
        (&["%comand%"], 125, "\"%comand%\" is no command"),
        (&["--", "%command%"], 125, "was not replaced"),
        (&["--", "/no/reaper SteamLaunch -- game"], 127, "take them away"),
        (&["--", "no\nsuch"], 127, "\"no\\nsuch\""),
        (&["--", "/etc/passwd", "x"], 126, "cannot be started"),
    ];
    let check = |words: &[OsString], code: i32, part: &str| {
        let mut command = steam.session.bolt(&["game", "wrap"]);
        let out = end(command.args(words).spawn().unwrap(), "an odd line");
        assert_eq!((out.code, out.out.as_str()), (code, ""), "{words:?}: {}", out.err);
        assert!(out.err.contains(part), "{words:?}: {}", out.err);
        assert_eq!(out.err.lines().count(), 1, "{}", out.err);
        let last = steam.log().lines().last().unwrap_or_default().to_owned();
        assert!(last.contains(part), "{last}");
    };
    for (words, code, part) in cases {
        check(&words.iter().map(OsString::from).collect::<Vec<_>>(), code, part);
    }
    check(&["--".into(), bytes], 127, "there is no program");
}

#[test]
fn an_unknown_option_does_not_keep_the_game_from_starting() {
    let steam = steam!();
    let probe = steam.path("probe");
    let reaper = steam.path("reaper");
    for (number, words) in [
        vec!["--nise", "5", "--", &probe],
        vec!["--nise", "5", &reaper, "SteamLaunch", "AppId=1", "--", &probe],
    ]
    .into_iter()
    .enumerate()
    {
        let file = steam.home(&format!("told-{number}"));
        let mut command = steam.session.bolt(&["game", "wrap"]);
        let out =
            end(command.args(&words).args([&file, "9"]).spawn().unwrap(), "an unknown option");
        assert_eq!((out.code, out.out.as_str()), (9, ""), "{out:?}");
        assert!(out.err.contains("--nise") && steam.log().contains("--nise"), "{out:?}");
    }
    // What is right holds, and the report has both.
    let report = steam.home("report.json");
    for number in ["0", "1", "2"] {
        let out = steam.wrap(&["--report", number], &["true"]).output().unwrap();
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() && told.contains("own input and output"), "{told}");
    }
    let words = ["--nise", "5", "--report", &report, "--env", "A=1", "--", "true"];
    let mut command = steam.session.bolt(&[&["game", "wrap"], &words[..]].concat());
    assert_eq!(end(command.spawn().unwrap(), "an unknown option").code, 0);
    assert_eq!(steam.report("report.json").1, ["--nise 5: denied", "--env: applied"]);
    let mut command =
        steam.session.bolt(&["game", "wrap", "--strict", "--nise", "5", "--", "true"]);
    assert_eq!(end(command.spawn().unwrap(), "strict").code, 125);
}

#[test]
fn a_game_starts_without_home_and_with_a_state_that_cannot_be_written() {
    let steam = steam!();
    let mut command = steam.wrap(&["--nice", "1"], &["true"]);
    command.env_remove("HOME").env("XDG_STATE_HOME", "no/path");
    assert_eq!(end(command.spawn().unwrap(), "no home").code, 0);
    // As if it were not set: it would be another directory wherever a command is typed.
    let mut command = steam.wrap(&["--nice", "x"], &["true"]);
    command.env("XDG_STATE_HOME", "no/path");
    assert_eq!(end(command.spawn().unwrap(), "a relative path").code, 0);
    assert!(steam.log().contains("--nice"), "{}", steam.log());
    let twice = [steam.path("a.json"), steam.path("b.json")];
    let mut command = steam.wrap(&["--report", &twice[0], "--report", &twice[1]], &["true"]);
    assert_eq!(end(command.spawn().unwrap(), "one option twice").code, 0);
    let mut command = steam.wrap(&["--gamemode", "--nice", "x"], &["true"]);
    command
        .env("XDG_STATE_HOME", "/proc/none")
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/bus");
    let out = end(command.spawn().unwrap(), "no state");
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.err.contains("--gamemode: denied: what has to be undone"), "{}", out.err);
}
