//! Bolt in Steam's list of compatibility tools, and the launch line.

use super::{Steam, end, steam};
use std::os::unix::fs::symlink;
use std::process::Command;

/// Steam's directories as it makes them, with one game.
fn fake_steam(steam: &Steam) -> String {
    for dir in
        [".steam", ".local", ".local/share", ".local/share/Steam", ".local/share/Steam/steamapps"]
    {
        steam.session.make_dir(dir);
    }
    let root = steam.home(".local/share/Steam");
    symlink(&root, steam.home(".steam/root")).unwrap();
    symlink(&root, steam.home(".steam/steam")).unwrap();
    let manifest = "\"AppState\"\n{\n\t\"appid\"\t\t\"70\"\n\t\"name\"\t\t\"Half-Life\"\n}\n";
    steam.session.file(".local/share/Steam/steamapps/appmanifest_70.acf", manifest);
    root
}

#[test]
fn steam_calls_bolt_as_a_tool() {
    let steam = steam!();
    let out = steam.session.run(&["steam", "install-tool"]);
    assert_eq!(out.code, 125);
    assert!(out.err.contains("no Steam was found"), "{}", out.err);
    let root = fake_steam(&steam);
    let dir = format!("{root}/compatibilitytools.d/bolt");
    assert_eq!(steam.session.ok(&["steam", "install-tool"]), dir);
    assert_eq!(steam.session.ok(&["steam", "install-tool"]), "", "nothing is left to do");
    let manifest = std::fs::read_to_string(format!("{dir}/toolmanifest.vdf")).unwrap();
    assert!(
        manifest.contains("\"commandline\"\t\t\"/bolt-compat steam tool %verb%\""),
        "{manifest}"
    );
    // As Steam puts the line together: the tool's directory, the line, the game.
    let call = |verb: &str, rest: &[&str]| -> Command {
        let mut command = steam.session.command(format!("{dir}/bolt-compat"));
        command.args(["steam", "tool", verb]).args(rest).env("LD_PRELOAD", steam.path("preload"));
        command
    };
    let (probe, told) = (steam.path("probe"), steam.home("told"));
    for (verb, rest, code) in [
        ("waitforexitandrun", &[probe.as_str(), &told, "5", "-x"][..], 5),
        ("run", &["--", &probe, &told, "6"], 6),
        ("runinprefix", &[&probe, &told, "7"], 7),
    ] {
        let out = end(call(verb, rest).spawn().unwrap(), verb);
        assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (code, "", ""), "{verb}");
    }
    let path = "/a b/\u{fc}.exe";
    for verb in ["getcompatpath", "getnativepath"] {
        let out = end(call(verb, &[path]).spawn().unwrap(), verb);
        assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (0, path, ""));
    }
    assert_eq!(end(call("destroyprefix", &[]).spawn().unwrap(), "destroyprefix").code, 0);
    let game = steam.session.file("game.exe", "MZ\u{1}");
    crate::harness::run("chmod", &["755", &game]);
    for (verb, rest, code, part) in [
        ("waitforexitandrun", &[game.as_str()][..], 126, "for Windows"),
        ("waitforexitandrun", &[], 125, "no command was given"),
        ("getcompatpath", &[], 125, "one path is wanted"),
        ("dance", &[], 125, "no verb of a compatibility tool"),
    ] {
        let out = end(call(verb, rest).spawn().unwrap(), verb);
        assert_eq!((out.code, out.out.as_str()), (code, ""), "{out:?}");
        assert!(out.err.contains(part) && steam.log().contains(part), "{out:?}");
    }
    // A person's change stays.
    let mine = manifest.replace("\"bolt\"", "\"mine\"");
    std::fs::write(format!("{dir}/toolmanifest.vdf"), &mine).unwrap();
    for args in [&["steam", "install-tool"][..], &["steam", "install-tool", "--uninstall"]] {
        let out = steam.session.run(args);
        assert_eq!(out.code, 125);
        assert!(out.err.contains("somebody changed it"), "{}", out.err);
    }
    assert_eq!(std::fs::read_to_string(format!("{dir}/toolmanifest.vdf")).unwrap(), mine);
    assert_eq!(steam.session.ok(&["steam", "install-tool", "--force", "--root", &root]), dir);
    assert_eq!(steam.session.ok(&["steam", "install-tool", "--uninstall"]), dir);
    assert!(!std::path::Path::new(&dir).exists());
    assert_eq!(steam.session.ok(&["steam", "install-tool", "--uninstall"]), "");
    let out = steam.session.run(&["steam", "install-tool", "--root", &steam.home("")]);
    assert!(out.code == 125 && out.err.contains("no directory of Steam's"), "{out:?}");
}

#[test]
fn the_launch_line_is_what_a_user_pastes() {
    let steam = steam!();
    fake_steam(&steam);
    let bolt = steam.session.program().display().to_string();
    let out = steam.session.run(&["generate", "steam", "70"]);
    assert_eq!((out.code, out.out), (0, format!("{bolt} game wrap -- %command%\n")));
    assert!(out.err.contains("Half-Life"), "{}", out.err);
    let options =
        ["generate", "steam", "--mangohud", "--gamescope", "-W 1920 -f", "--nice", "5", "--strict"];
    let out = steam.session.run(&[&options[..], &["71"]].concat());
    let line = format!(
        "{bolt} game wrap --mangohud --gamescope '-W 1920 -f' --nice 5 --strict -- %command%\n"
    );
    assert_eq!((out.code, &out.out), (0, &line));
    assert!(out.err.contains("71: no such game is installed"), "{}", out.err);
    for (words, part) in [
        (&["--nice", "x", "70"][..], "--nice: \"x\" is no niceness"),
        (&["--env", "A=%command%", "70"], "% in it belongs to Steam"),
        (&["--env", "A", "70"], "write NAME=VALUE"),
        (&["half-life"], "invalid value"),
        (&[], "APPID"),
    ] {
        let out = steam.session.run(&[&["generate", "steam"], words].concat());
        assert_eq!((out.code, out.out.as_str()), (125, ""), "{words:?}");
        assert!(out.err.contains(part), "{words:?}: {}", out.err);
    }
    // A shell stands in for Steam, which splits the line as a shell does.
    let (probe, told) = (steam.path("probe"), steam.home("told"));
    let out = steam.session.run(&["generate", "steam", "--env", "A=it's b", "70"]);
    let line = out.out.trim().replace("%command%", &format!("{probe} {told} 3"));
    let mut shell = steam.session.command("sh");
    assert_eq!(end(shell.args(["-c", &line]).spawn().unwrap(), "the line").code, 3);
    assert_eq!(steam.told("told").variable("A").as_deref(), Some("it's b"));
}
