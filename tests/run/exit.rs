//! Exit codes, names, ids and what is refused before anything is made.

use crate::harness::process::{finish, signal};
use crate::harness::user::{IMAGE, has, until};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn codes() {
    let s = session!();
    let cases: &[(&[&str], &[&str], i32)] = &[
        (&[], &["true"], 0),
        (&[], &["sh", "-c", "exit 3"], 3),
        (&[], &["sh", "-c", "exit 255"], 255),
        (&[], &["nosuch"], 127),
        (&[], &["/no/such"], 127),
        (&[], &["/etc/passwd"], 126),
        (&[], &["/etc"], 126),
        (&["--init"], &["sh", "-c", "kill -9 $$"], 137),
        (&["--init"], &["sh", "-c", "kill -TERM $$"], 143),
        (&["--init"], &["sh", "-c", "exit 7"], 7),
        (&["--timeout", "1"], &["sleep", "30"], 255),
        (&["--network", "bogus"], &["true"], 125),
        (&["--bogus"], &["true"], 125),
        (&["--umask", "9"], &["true"], 125),
        (&["--workdir", "relative"], &["true"], 125),
    ];
    for (flags, command, code) in cases {
        let out = s.once(flags, command);
        assert_eq!(out.code, *code, "{flags:?} {command:?}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

#[test]
fn refusals_name_the_thing_and_change_nothing() {
    let s = session!();
    let cases: &[(&[&str], &str)] = &[
        (&["run", "--cap-add", "bogus", IMAGE, "true"], "bogus"),
        (&["run", "--security-opt", "bogus", IMAGE, "true"], "bogus"),
        (&["run", "--sysctl", "kernel.pid_max=9", IMAGE, "true"], "kernel.pid_max"),
        (&["run", "--ulimit", "bogus=1", IMAGE, "true"], "bogus"),
        (&["run", "--env-file", "/no/such", IMAGE, "true"], "/no/such"),
        (&["run", "--device", "/no/such", IMAGE, "true"], "/no/such"),
        (&["run", "-v", "/no/such/dir:/m", IMAGE, "true"], "/no/such"),
        (&["run", "--mount", "type=bogus,target=/m", IMAGE, "true"], "bogus"),
        (&["run", "--name", "a b", IMAGE, "true"], "a b"),
        (&["run", "--pull", "sometimes", IMAGE, "true"], "sometimes"),
        (&["run", "--restart", "bogus", IMAGE, "true"], "bogus"),
        (&["run", "--pull", "never", "localhost/other", "true"], "localhost/other"),
        (&["run", "--userns", "bogus", IMAGE, "true"], "bogus"),
        (&["run", "--cpus", "-1", IMAGE, "true"], "--cpus"),
        (&["run", "--timeout", "-1", IMAGE, "true"], "value '-1' for '--timeout"),
    ];
    for (args, word) in cases {
        let out = s.run(args);
        assert_eq!(out.code, 125, "{args:?}: {out:?}");
        assert!(out.err.contains(word), "{args:?}: {:?} does not name {word:?}", out.err);
        assert_eq!(out.out, "", "{args:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    assert!(!s.data().join("volumes").exists());
}

/// An image may take hours to come: what is wrong with any image is told before.
#[test]
fn flags_are_refused_before_an_image_is_fetched() {
    let s = session!();
    for flags in [
        &["--restart", "alway"][..],
        &["-p", "foo"],
        &["--name", "bad name"],
        &["-v", "/:/x:foo"],
        &["-v", "/nowhere/at/all:/x"],
        &["--secret", "nosuch"],
        &["--health-interval", "5"],
        &["--device", "nvidia.com/gpu=all"],
    ] {
        // Nobody listens on this port.
        let out = s.run(&[&["run"], flags, &["127.0.0.1:1/game:1"]].concat());
        assert!(out.code == 125 && !out.err.contains("127.0.0.1"), "{flags:?}: {out:?}");
    }
    let out = s.run(&["run", "--restart", "always", "--health-retries", "2", "127.0.0.1:1/game:1"]);
    assert!(out.err.contains("127.0.0.1"), "{out:?}");
}

#[test]
fn help_is_a_verb_as_well() {
    let s = session!();
    for verbs in [&["run"][..], &["image", "prune"], &[]] {
        let asked = s.ok(&[&["help"], verbs].concat());
        assert_eq!(asked, s.ok(&[verbs, &["--help"]].concat()), "{verbs:?}");
    }
    let out = s.run(&["help", "rnu"]);
    assert!(out.code == 125 && out.err.contains("subcommand 'rnu'"), "{out:?}");
}

/// What people know from elsewhere and is not here is no mystery.
#[test]
fn what_is_not_in_this_version_is_told() {
    let s = session!();
    for (args, said) in [
        (
            &["build", "."][..],
            "bolt: bolt build is not in this version; bolt pull oci:DIR or oci-archive:FILE takes what \
             another program has built\n",
        ),
        (&["run", "--ip6", "::1", IMAGE], "bolt: --ip6 is not in this version\n"),
        (
            &["run", "--rm", "--gpus", "all", IMAGE],
            "bolt: --gpus is not in this version; give the device nodes instead: --device /dev/dri, \
             or --device /dev/nvidia0 and its like\n",
        ),
    ] {
        let out = s.run(args);
        assert_eq!((out.code, out.err.as_str()), (125, said), "{args:?}");
    }
    assert!(!s.run(&["run", "--nosuch", IMAGE]).err.contains("hint"));
    // One line, and nothing of flags that are spelt alike.
    for args in [
        &["run", "--pod", "x", IMAGE][..],
        &["create", "--pod=new:x", IMAGE],
        &["run", "--pod-id-file", "f", IMAGE],
        &["ps", "--pod"],
        &["pod", "ls"],
    ] {
        let out = s.run(args);
        assert!(out.code == 125 && out.err.contains("pods are not supported"), "{args:?}: {out:?}");
        assert!(out.err.contains("--requires") && out.err.lines().count() == 1, "{out:?}");
    }
}

#[test]
fn a_dry_run_makes_nothing() {
    let s = session!();
    let text = s.ok(&["run", "--dry-run", "--name", "x", "-v", "vol:/m", IMAGE, "sh"]);
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(plan["process"]["args"], serde_json::json!(["sh"]));
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    assert_eq!(s.ok(&["volume", "ls", "-q"]), "");
    assert!(!s.data().join("volumes/vol").exists());
}

#[test]
fn names_and_id_files() {
    let s = session!();
    let cidfile = s.home().join("cid");
    let cidfile = cidfile.to_str().unwrap();
    let first = s.detached("x", &["--cidfile", cidfile], "exec sleep 1000");
    assert_eq!(std::fs::read_to_string(cidfile).unwrap().trim(), first);
    let taken = s.run(&["run", "-d", "--network", "none", "--name", "x", IMAGE, "true"]);
    assert_eq!(taken.code, 125, "{taken:?}");
    assert!(taken.err.contains('x') && taken.err.contains(&first[..12]), "{taken:?}");
    let second = s.detached("x", &["--replace"], "exec sleep 1000");
    assert_ne!(first, second);
    assert_eq!(s.ok(&["ps", "-aq", "--no-trunc"]), second);
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    // --rm takes the id file with it.
    s.script(&["--cidfile", cidfile], "true");
    assert!(!std::path::Path::new(cidfile).exists());
}

/// Where a link leads somebody else may have decided; a device would be replaced.
#[test]
fn id_and_pid_files_follow_no_link() {
    let s = session!();
    let kept = s.file("kept", "of the user");
    let link = s.home().join("link");
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    for flag in ["--cidfile", "--pidfile", "--conmon-pidfile"] {
        for odd in [link.to_str().unwrap(), "/dev/null", s.home().to_str().unwrap()] {
            let out = s.once(&[flag, odd], &["true"]);
            assert!(out.code == 125 && out.err.contains(odd), "{flag}: {out:?}");
            assert!(out.err.contains("regular file"), "{flag}: {out:?}");
        }
    }
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "of the user");
    assert!(link.is_symlink());
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    // What another container has written there since is left to it.
    let cidfile = s.home().join("cid");
    let path = cidfile.to_str().unwrap();
    s.detached("x", &["--rm", "--cidfile", path], "exec sleep 1000");
    s.file("cid", "another");
    s.ok(&["stop", "-t", "0", "x"]);
    until("it is gone", || s.ok(&["ps", "-aq"]).is_empty());
    assert_eq!(std::fs::read_to_string(cidfile).unwrap(), "another");
}

#[test]
fn of_two_runs_with_one_name_one_wins() {
    let s = session!();
    for _ in 0..5 {
        let args = ["run", "-d", "--network", "none", "--name", "x", IMAGE, "sleep", "1000"];
        let both = [s.spawn(&args), s.spawn(&args)];
        let mut codes =
            both.map(|child| finish(child, Duration::from_secs(20), "run --name x").code);
        codes.sort_unstable();
        assert_eq!(codes, [0, 125]);
        assert_eq!(s.ok(&["ps", "-aq"]).lines().count(), 1);
        s.ok(&["rm", "-f", "-t", "0", "x"]);
    }
}

#[test]
fn pull_policies() {
    let s = session!();
    let source = s.image_source();
    for policy in ["missing", "never", "always", "newer"] {
        let args =
            ["run", "--rm", "-q", "--network", "none", "--pull", policy, &source, "echo", "hi"];
        assert_eq!(s.ok(&args), "hi", "{policy}");
    }
    for policy in ["missing", "never"] {
        let args = ["run", "--rm", "--network", "none", "--pull", policy, IMAGE, "echo", "hi"];
        assert_eq!(s.ok(&args), "hi", "{policy}");
    }
    // A registry that is not there: the local image serves `newer`, not `always`.
    let port = crate::harness::registry::free_port();
    let gone = format!("127.0.0.1:{port}/v1");
    let always = s.run(&["run", "--rm", "--pull", "always", "--retry", "0", &gone, "true"]);
    assert_eq!(always.code, 125, "{always:?}");
    assert!(always.err.contains(&gone), "{always:?}");
}

/// A registry that takes the connection and says nothing holds up only who asked it.
#[test]
fn nobody_else_waits_for_a_silent_registry() {
    let s = session!();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("{}/game", silent.local_addr().unwrap());
    let pull = ["pull", "--tls-verify=false", &name];
    let run = ["run", "--rm", "--pull", "always", "--tls-verify=false", &name, "true"];
    for args in [&pull[..], &run] {
        // A run that has to pull makes a process for it.
        let mut asking = s.bolt(args).process_group(0).spawn().unwrap();
        // It has been asked once a connection waits here.
        let connection = silent.accept().unwrap();
        let begun = std::time::Instant::now();
        s.ok(&["tag", IMAGE, "other"]);
        s.ok(&["rmi", "other"]);
        s.ok(&["image", "prune", "-f"]);
        s.ok(&["system", "check"]);
        assert!(begun.elapsed() < Duration::from_secs(5), "{args:?}: {:?}", begun.elapsed());
        assert_eq!(asking.try_wait().unwrap(), None, "{args:?}");
        drop(connection);
        let group = rustix::process::Pid::from_child(&asking);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        asking.wait().unwrap();
    }
}

#[test]
fn signals_reach_the_payload() {
    let s = session!();
    for (number, name, code) in [(15, "TERM", 41), (2, "INT", 42), (1, "HUP", 43), (10, "USR1", 44)]
    {
        let script = format!("trap 'exit {code}' {name}; echo ready; while :; do sleep 0.05; done");
        let container = format!("sig-{name}");
        let child = s.spawn(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--name",
            &container,
            IMAGE,
            "sh",
            "-c",
            &script,
        ]);
        until("ready", || s.run(&["logs", &container]).out.contains("ready"));
        signal(child.id(), number);
        let out = finish(child, Duration::from_secs(20), name);
        assert_eq!(out.code, code, "{name}: {out:?}");
    }
}

#[test]
fn init_forwards_and_reaps() {
    let s = session!();
    let script = "trap 'exit 9' TERM; (sleep 0.01 & exec true); sleep 0.2; \
                  ps -o stat,comm | grep -c '^Z' ; echo ready; while :; do sleep 0.05; done";
    let child = s.spawn(&[
        "run",
        "--rm",
        "--init",
        "--network",
        "none",
        "--name",
        "x",
        IMAGE,
        "sh",
        "-c",
        script,
    ]);
    until("ready", || s.run(&["logs", "x"]).out.contains("ready"));
    signal(child.id(), 15);
    let out = finish(child, Duration::from_secs(20), "--init");
    assert_eq!(out.code, 9, "{out:?}");
    assert_eq!(out.out, "0\nready\n");
}

/// script(1) is the window of a terminal here: when it is killed, the terminal hangs up. bash is
/// told so, and tells its jobs, whatever their streams are.
#[test]
fn a_terminal_that_hangs_up_leaves_the_container() {
    let s = session!();
    if !has("script") || !has("bash") {
        skip!("no script or no bash");
    }
    let payload =
        "trap 'exit 43' HUP; trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done";
    for (name, before, flag, after) in [
        ("hung-up", "", "", "; :"),
        ("hung-up-tty", "", "-it", "; :"),
        ("hung-up-job", "", "", "</dev/null >log 2>&1 & cat"),
        ("hung-up-nohup", "nohup", "", "</dev/null >log 2>&1 & cat"),
    ] {
        let words = format!("run --network none --name {name} {flag} {IMAGE} sh -c \"$PAYLOAD\"");
        let job = format!("exec bash -ic '{before} \"$BOLT\" {words} {after}'");
        let mut window = s.command("script");
        window.args(["-qc", &job, "/dev/null"]).stdin(Stdio::piped());
        let mut window = window.env("BOLT", s.program()).env("PAYLOAD", payload).spawn().unwrap();
        until("ready", || s.run(&["logs", name]).out.contains("ready"));
        window.kill().unwrap();
        window.wait().unwrap();
        if name != "hung-up-nohup" {
            until("the launcher is gone", || launchers(name) == 0);
        }
        assert_eq!(s.inspect(name, ".State.Status"), "running", "{name}");
        s.ok(&["kill", "-s", "USR1", name]);
        assert_eq!(s.ok(&["wait", name]), "5", "{name}");
    }
}

/// Processes of `bolt run --name NAME`.
fn launchers(name: &str) -> usize {
    let lines = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
        let line = std::fs::read(process.path().join("cmdline")).ok()?;
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let named = words.windows(2).any(|two| two == [&b"--name"[..], name.as_bytes()]);
        (named && words[0].ends_with(b"bolt")).then_some(())
    });
    lines.count()
}

#[test]
fn a_killed_launcher_leaves_the_container() {
    let s = session!();
    let mut child = s.spawn(&[
        "run",
        "--network",
        "none",
        "--name",
        "x",
        IMAGE,
        "sh",
        "-c",
        "trap 'echo bye; exit 5' USR1; echo ready; while :; do sleep 0.05; done",
    ]);
    until("ready", || s.run(&["logs", "x"]).out.contains("ready"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(s.inspect("x", ".State.Status"), "running");
    let attached = s.spawn(&["attach", "--no-stdin", "x"]);
    std::thread::sleep(Duration::from_millis(200));
    s.ok(&["kill", "-s", "USR1", "x"]);
    let out = finish(attached, Duration::from_secs(20), "attach");
    assert_eq!((out.code, out.out.as_str()), (5, "bye\n"), "{out:?}");
}

/// As a script leaves them to what it starts with `&`, and nohup(1): the code was 255 for want of a
/// SIGCHLD, and a `stop` by a signal that was ignored took its whole time.
#[test]
fn what_the_caller_ignores_a_container_hears() {
    let s = session!();
    let script = "trap '' CHLD INT HUP TERM USR1; exec \"$0\" \"$@\"";
    let run = |words: &[&str]| {
        let mut shell = s.command("sh");
        shell.args(["-c", script]).arg(s.program()).args(words);
        finish(shell.spawn().unwrap(), Duration::from_secs(30), "with signals ignored")
    };
    let look = "grep SigIgn /proc/self/status; exit 7";
    let out = run(&["run", "--rm", "--network", "none", IMAGE, "sh", "-c", look]);
    assert_eq!((out.code, out.out.trim()), (7, "SigIgn:\t0000000000000000"), "{out:?}");
    assert_eq!(out.err, "");
    let wait = "trap 'exit 3' INT; echo up; while :; do sleep 0.05; done";
    let start = ["run", "-d", "--name", "x", "--network", "none", "--stop-signal", "INT"];
    let out = run(&[&start[..], &[IMAGE, "sh", "-c", wait]].concat());
    assert_eq!(out.code, 0, "{out:?}");
    until("it is up", || s.ok(&["logs", "x"]) == "up");
    let out = run(&["exec", "x", "sh", "-c", look]);
    assert_eq!((out.code, out.out.trim()), (7, "SigIgn:\t0000000000000000"), "{out:?}");
    s.ok(&["stop", "-t", "20", "x"]);
    assert_eq!(s.inspect("x", ".State.ExitCode"), "3");
}
