//! Command lines are read as podman reads them.

use crate::harness::user::IMAGE;

/// Options end where IMAGE stands (podman-run(1)).
#[test]
fn what_follows_the_image_is_the_containers() {
    let s = session!();
    let echo = ["--entrypoint", "/bin/echo"];
    for words in
        [&["-c", "x"][..], &["--help"], &["--env", "FOO=1", "rest"], &["--privileged", "-v"]]
    {
        let out =
            s.run(&[&["run", "--rm", "--network", "none"][..], &echo, &[IMAGE], words].concat());
        let want = format!("{}\n", words.join(" "));
        assert_eq!((out.code, out.out), (0, want), "{words:?}");
    }
    s.ok(&["create", "--name", "c", IMAGE, "--privileged", "sh"]);
    let created = [".HostConfig.Privileged", "join .Config.Cmd \" \""].map(|f| s.inspect("c", f));
    assert_eq!(created, ["false", "--privileged sh"]);
}

#[test]
fn flags_take_true_and_false() {
    let s = session!();
    let out = s.once(&["--interactive=false", "--read-only=true", "-t=0"], &["touch", "/x"]);
    assert!(out.code == 1 && out.err.contains("Read-only"), "{out:?}");
    s.ok(&["run", "--rm=false", "--network", "none", "--name", "x", IMAGE, "true"]);
    assert_eq!(s.ok(&["ps", "--all=true", "--format", "{{.Names}}"]), "x");
    assert_eq!(s.ok(&["ps", "--all=false", "-q=1"]), "");
    assert_eq!(s.ok(&["logs", "--follow=false", "x"]), "");
    // A verb that is read with the whole tree.
    assert_eq!(s.ok(&["images", "--quiet=false"]).lines().count(), 2);
    let bad = s.run(&["rm", "--force=maybe", "x"]);
    assert!(bad.code == 125 && bad.err.contains("maybe"), "{bad:?}");
    s.ok(&["rm", "--force=true", "x"]);
    assert!(!s.ok(&["run", "--help"]).contains("--rm="));
}

#[test]
fn a_label_has_a_name() {
    let s = session!();
    for label in ["=x", "=", ""] {
        let out = s.run(&["create", "--label", label, IMAGE, "true"]);
        let want = format!("--label {label:?} has no name");
        assert!(out.code == 125 && out.err.contains(&want), "{out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

#[test]
fn an_annotation_has_a_value() {
    let s = session!();
    for text in ["x", "=x", ""] {
        let out = s.run(&["create", "--annotation", text, IMAGE, "true"]);
        let want = format!("--annotation {text:?}: write KEY=VALUE");
        assert!(out.code == 125 && out.err.contains(&want), "{out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// clap would advise `-- --foo`, which names an image.
#[test]
fn advice_for_an_unknown_flag_does_not_make_it_the_image() {
    let s = session!();
    for verb in ["run", "create"] {
        let out = s.run(&[verb, "--foo", IMAGE, "true"]);
        assert!(out.code == 125 && out.err.contains("'--foo'"), "{out:?}");
        assert!(!out.err.contains("-- --foo"), "{out:?}");
        let near = s.run(&[verb, "--volum", "/a:/b", IMAGE, "true"]);
        assert!(near.code == 125 && near.err.contains("'--volume'"), "{near:?}");
    }
}

#[test]
fn short_flags_are_podmans() {
    let s = session!();
    assert_eq!(s.script(&["-h", "gamebox"], "hostname"), "gamebox");
    s.detached("x", &[], "sleep 0.3; exit 3");
    assert_eq!(s.ok(&["wait", "-i", "1s", "x"]), "3");
    assert_eq!(s.ok(&["wait", "--ignore", "nosuch"]), "-1");
}

/// As with podman's flags.
#[test]
fn of_what_is_given_twice_the_last_counts() {
    let s = session!();
    let twice = ["--rm", "--rm", "--network", "host", "--network", "none", "-w", "/bin", "-w", "/"];
    let lists = ["-e", "A=1", "-e", "B=2", "-i", "-i"];
    let words = [&["run"], &twice[..], &lists, &[IMAGE, "sh", "-c", "echo $A $B $PWD"]].concat();
    assert_eq!(s.ok(&words), "1 2 /");
}
