//! `bolt generate systemd`: what systemd itself says of the units, and what happens to files.

use crate::harness::user::{IMAGE, Session, has};
use std::fs;
use std::process::Command;

/// `systemd-analyze verify` finds nothing to complain about.
fn verified(s: &Session, unit: &str, text: &str) {
    let dir = s.home().join("verify");
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join(format!("{unit}.service"));
    fs::write(&path, text).unwrap();
    let target =
        if unit.ends_with('@') { dir.join(format!("{unit}one.service")) } else { path.clone() };
    let out = Command::new("systemd-analyze")
        .args(["verify", "--user", "--man=no"])
        .arg(target)
        .env("XDG_RUNTIME_DIR", s.runtime())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    let about: Vec<&str> = said.lines().filter(|line| line.contains(unit)).collect();
    assert!(out.status.success() && about.is_empty(), "{about:#?}\n{text}");
    fs::remove_dir_all(dir).unwrap();
}

const ODD: [&str; 6] = ["100%", "$HOME ${X}", "say \"no\" it's", "a\\b\nc\td", "", ";"];

#[test]
fn units_pass_systemds_own_check() {
    let s = session!();
    if !has("systemd-analyze") {
        skip!("no systemd-analyze");
    }
    s.make_dir("saves");
    let create = ["create", "--network", "none", "--name", "web", "--restart", "always", "-e"];
    let env = "ODD=%n $A \"q\" \\ 'x'";
    s.ok(&[&create[..], &[env, "-v", "./saves:/saves", IMAGE, "echo"], &ODD].concat());
    s.ok(&["create", "-it", "--name", "shell", IMAGE, "sh"]);
    let id = s.inspect("web", ".Id");
    let long = format!("container-{id}");
    let cases: &[(&str, &[&str])] = &[
        ("container-web", &["--name", "web"]),
        ("container-web", &["--new", "--name", "--no-header", "web"]),
        (&long, &["--new", "web"]),
        ("container-web@", &["--template", "--name", "web"]),
        ("container-shell", &["--new", "-n", "shell"]),
        ("bolt_web", &["-n", "--container-prefix=bolt", "--separator=_", "-t", "3", "web"]),
        ("bolt-restart", &["--boot"]),
        ("web", &["-n", "--container-prefix=", "web"]),
    ];
    for (name, flags) in cases {
        let text = s.ok(&[&["generate", "systemd"], *flags].concat());
        verified(&s, name, &(text.clone() + "\n"));
        assert_eq!(text.starts_with("# "), !flags.contains(&"--no-header"), "{text}");
    }
    let more = [
        "--wants=a.service",
        "--wants=w",
        "--after=b.target",
        "--after=c",
        "--requires=d.service",
        "--restart-policy=on-abort",
        "--restart-sec=7",
        "--start-timeout=8",
        "--time=9",
        "--env=A=1 %x",
        "--env=XDG_RUNTIME*",
    ];
    let text = s.ok(&[&["generate", "systemd", "-n", "--new"], &more[..], &["web"]].concat());
    for line in [
        // systemd ignores a dependency without a kind.
        "Wants=a.service w.service",
        "After=b.target c.service",
        "Requires=d.service",
        "Restart=on-abort",
        "RestartSec=7",
        "TimeoutStartSec=8",
        "TimeoutStopSec=69",
        "Environment=\"A=1 %%x\"",
        "Type=notify",
        "KillMode=mixed",
        "Delegate=yes",
        "SuccessExitStatus=143",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let runtime = format!("Environment=XDG_RUNTIME_DIR={}", s.runtime().display());
    let directory = format!("WorkingDirectory={}", s.home().display());
    for line in [runtime, directory] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    // What a unit does itself is not said twice.
    assert!(!text.contains("--restart=") && !text.contains("--detach"), "{text}");
    let shell = s.ok(&["generate", "systemd", "-n", "--new", "shell"]);
    assert!(shell.contains("--detach") && shell.contains("--tty"), "{shell}");
    let plain = s.ok(&["generate", "systemd", "-n", "web"]);
    assert!(
        plain.contains("Restart=always\n") && plain.contains("start \\\n\t--attach"),
        "{plain}"
    );
}

#[test]
fn variables_of_the_caller_are_in_a_unit_that_makes_its_container_anew() {
    let s = session!();
    let words =
        ["create", "--name", "web", "-e", "TOKEN", "-e", "GAME_*", "-e", "A=1", IMAGE, "true"];
    let mut create = s.bolt(&words);
    create.env("TOKEN", "50% of \"it\"").env("GAME_X", "x").env("OTHER", "o");
    assert!(create.output().unwrap().status.success());
    let unit = s.ok(&["generate", "systemd", "--new", "web"]);
    verified(&s, "web", &unit);
    for line in ["Environment=\"TOKEN=50%% of \\\"it\\\"\"", "Environment=GAME_X=x"] {
        assert!(unit.lines().any(|l| l == line), "{line} is not in {unit}");
    }
    assert!(!unit.contains("OTHER") && !unit.contains("Environment=A"), "{unit}");
}

#[test]
fn what_makes_no_unit_is_refused() {
    let s = session!();
    s.ok(&["create", "--name", "web", IMAGE, "true"]);
    for (flags, why) in [
        (&["nosuch"][..], "no container with name or ID"),
        (&["--container-prefix=a b", "web"], "cannot be part of a unit's name"),
        (&["--separator=/", "web"], "cannot be part of a unit's name"),
        (&["--wants=a\nb", "web"], "cannot be part of a unit's name"),
        (&["--restart-policy=often", "web"], "--restart-policy \"often\""),
        (&["--format=yaml", "web"], "use json"),
        (&["--env==x", "web"], "has no name"),
        (&["--env=A B=1", "web"], "letters, digits and _"),
        (&[], "CONTAINER"),
        (&["--boot", "web"], "cannot be used with"),
    ] {
        let out = s.run(&[&["generate", "systemd", "--files"], flags].concat());
        assert!(out.code == 125 && out.err.contains(why) && out.out.is_empty(), "{out:?}");
    }
    assert!(fs::read_dir(s.home()).unwrap().flatten().all(|e| e.path().is_dir()));
}

#[test]
fn files_that_a_person_changed_are_kept() {
    let s = session!();
    s.ok(&["create", "--name", "web", IMAGE, "true"]);
    let generate = ["generate", "systemd", "--files", "--name"];
    let path = s.home().join("container-web.service");
    let write = |flags: &[&str]| s.run(&[&generate[..], flags, &["web"]].concat());
    assert_eq!(write(&[]).out, format!("{}\n", path.display()));
    let first = fs::read_to_string(&path).unwrap();
    assert!(first.starts_with("# container-web.service\n# Made by Bolt "));
    // Made anew by us, and by nobody else.
    assert_eq!(write(&["--restart-sec=3"]).code, 0);
    let second = fs::read_to_string(&path).unwrap();
    assert_ne!(first, second);
    let mine = second.replace("RestartSec=3", "RestartSec=30");
    fs::write(&path, &mine).unwrap();
    let out = write(&[]);
    assert!(out.code == 125 && out.err.contains("--force") && out.out.is_empty(), "{out:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), mine);
    assert_eq!(write(&["--force"]).code, 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), first);
    let json: serde_json::Value = serde_json::from_str(&write(&["--format=json"]).out).unwrap();
    assert_eq!(json["container-web"], path.to_str().unwrap());
    let json = s.ok(&["generate", "systemd", "-n", "--format", "json", "web"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["container-web"], first);
    let units = fs::read_dir(s.home()).unwrap().flatten().filter(|e| e.path().is_file());
    assert_eq!(units.count(), 1);
}
