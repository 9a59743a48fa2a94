//! What a service manager, a script or another container sees of a container: readiness, pid
//! files, sockets that are passed on, order.

use crate::harness::process::{finish, signal};
use crate::harness::user::{IMAGE, Session, until};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

/// A service manager's socket, which hears everybody.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn new(s: &Session) -> Manager {
        let path = s.runtime().join("notify").to_str().unwrap().to_owned();
        let socket = UnixDatagram::bind(&path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Manager { socket, path }
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn assert_silent(&self) {
        self.socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4096];
        let heard = self.socket.recv(&mut buffer);
        self.socket.set_nonblocking(false).unwrap();
        assert!(heard.is_err(), "{:?}", String::from_utf8_lossy(&buffer));
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn notified(s: &Session, manager: &Manager, args: &[&str]) -> Command {
    let mut command = s.bolt(args);
    command.env("NOTIFY_SOCKET", &manager.path);
    command
}

fn ok(command: &mut Command) -> String {
    let out = finish(command.spawn().unwrap(), Duration::from_secs(30), "bolt");
    assert!(out.code == 0 && out.err.is_empty(), "{out:?}");
    out.out.trim_end().to_owned()
}

/// The queue of a socket that nobody reads is full after some messages.
#[test]
fn a_manager_that_never_reads_holds_no_start_up_for_ever() {
    let s = session!();
    let manager = Manager::new(&s);
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"x", &manager.path).is_ok() {}
    let args = [&RUN[..], &["--sdnotify", "conmon", IMAGE, "sleep", "1000"]].concat();
    let child = notified(&s, &manager, &args).spawn().unwrap();
    let out = finish(child, Duration::from_secs(20), "run -d");
    assert_eq!(out.code, 0, "{out:?}");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}

const RUN: [&str; 6] = ["run", "-d", "--network", "none", "--name", "x"];
const SLEEP: [&str; 4] = [IMAGE, "sh", "-c", "env; exec sleep 1000"];

#[test]
fn sdnotify_conmon_says_at_the_start_who_the_supervisor_is() {
    let s = session!();
    let manager = Manager::new(&s);
    let args = [&RUN[..], &["--sdnotify", "conmon", "--env-host"], &SLEEP].concat();
    let id = ok(&mut notified(&s, &manager, &args));
    assert_eq!(manager.hear(), format!("MAINPID={}\nREADY=1", s.pids(&id).0));
    manager.assert_silent();
    // The payload has nothing of it, whatever else of the caller's environment it gets.
    until("it wrote", || s.ok(&["logs", "x"]).contains("XDG_RUNTIME_DIR"));
    assert!(!s.ok(&["logs", "x"]).contains("NOTIFY_SOCKET"));
    assert_eq!(s.inspect("x", ".Config.sdNotifyMode"), "conmon");
    // Again with another mode, and with none.
    for (mode, want) in [("conmon", true), ("ignore", false)] {
        s.ok(&["stop", "-t", "0", "x"]);
        ok(&mut notified(&s, &manager, &["start", "--sdnotify", mode, "x"]));
        if want {
            assert_eq!(manager.hear(), format!("MAINPID={}\nREADY=1", s.pids(&id).0));
        }
        manager.assert_silent();
    }
    // It runs already, and a unit that attaches to it does not wait for ever.
    let attached = ["start", "--attach", "--sdnotify=conmon", "x"];
    let client = notified(&s, &manager, &attached).spawn().unwrap();
    assert_eq!(manager.hear(), "READY=1");
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(finish(client, Duration::from_secs(10), "attached").code, 137);
    // A launcher that stays is the main process itself.
    let args = ["run", "--rm", "--network", "none", "--sdnotify=conmon", IMAGE, "true"];
    ok(&mut notified(&s, &manager, &args));
    assert_eq!(manager.hear(), "READY=1");
}

#[test]
fn sdnotify_container_passes_on_what_the_payload_says() {
    let s = session!();
    let manager = Manager::new(&s);
    let script = "env; ls -i $NOTIFY_SOCKET; exec sleep 1000";
    let args = [&RUN[..], &["--read-only", IMAGE, "sh", "-c", script]].concat();
    let id = ok(&mut notified(&s, &manager, &args));
    let monitor = s.pids(&id).0;
    assert_eq!(manager.hear(), format!("MAINPID={monitor}"));
    until("it wrote", || s.ok(&["logs", "x"]).contains("/run/notify/notify.sock\n"));
    let dir = s.data().join("containers").join(&id);
    let inside = dir.join("notify.sock");
    let inode = fs::metadata(&inside).unwrap().ino();
    assert!(s.ok(&["logs", "x"]).contains(&format!("{inode} /run/notify/notify.sock")));
    assert!(!s.ok(&["logs", "x"]).contains(&manager.path));
    let payload = UnixDatagram::unbound().unwrap();
    let say = |text: &str| payload.send_to(text.as_bytes(), &inside).map(drop);
    // A socket's name has 107 bytes, and this one may be longer: by its directory's descriptor.
    let said = say("STATUS=loading\nEXTEND_TIMEOUT_USEC=1000000");
    if said.is_err() {
        skip!("the path of the test is too long for a socket");
    }
    assert_eq!(manager.hear(), "STATUS=loading\nEXTEND_TIMEOUT_USEC=1000000\n");
    say("READY=1\nMAINPID=1\nFDSTORE=1").unwrap();
    assert_eq!(manager.hear(), format!("READY=1\nMAINPID={monitor}\n"));
    say("STOPPING=1").unwrap();
    assert_eq!(manager.hear(), "STOPPING=1\n");
    s.ok(&["stop", "-t", "0", "x"]);
    assert!(!inside.exists());
}

#[test]
fn sdnotify_healthy_waits_for_the_first_success() {
    let s = session!();
    let manager = Manager::new(&s);
    let health =
        ["--sdnotify", "healthy", "--health-cmd", "test -e /up", "--health-interval", "100ms"];
    let id = ok(&mut notified(&s, &manager, &[&RUN[..], &health, &SLEEP].concat()));
    assert_eq!(manager.hear(), format!("MAINPID={}", s.pids(&id).0));
    until("a check failed", || s.inspect("x", ".State.Health.FailingStreak") != "0");
    manager.assert_silent();
    s.ok(&["exec", "x", "touch", "/up"]);
    assert_eq!(manager.hear(), "READY=1");
    let out = s.run(&["run", "--rm", "--sdnotify", "healthy", IMAGE, "true"]);
    assert!(out.code == 125 && out.err.contains("requires a healthcheck"), "{out:?}");
}

#[test]
fn a_broken_notify_socket_is_one_clear_error_or_one_warning() {
    let s = session!();
    let file = s.file("file", "");
    let long = format!("/{}", "x".repeat(150));
    for (name, why) in [
        ("/nonexistent/socket", "there is no such socket"),
        (file.as_str(), "it is no socket, or nobody listens there"),
        ("@bolt-test-nobody-listens", "it is no socket, or nobody listens there"),
        ("nonsense", "neither a path nor an abstract name"),
        (long.as_str(), "at most 107 bytes"),
    ] {
        let run = |flags: &[&str]| {
            let args = [&["run", "--rm", "--network", "none"], flags, &[IMAGE, "true"]].concat();
            let child = s.bolt(&args).env("NOTIFY_SOCKET", name).spawn().unwrap();
            finish(child, Duration::from_secs(20), name)
        };
        let asked = run(&["--sdnotify", "container"]);
        assert_eq!((asked.code, asked.err.lines().count()), (125, 1), "{asked:?}");
        assert!(asked.err.contains(why) && asked.err.contains("--sdnotify=ignore"), "{asked:?}");
        let default = run(&[]);
        assert!(default.code == 0 && default.err.contains("warning"), "{default:?}");
        assert!(default.err.contains(why) && default.err.lines().count() == 1, "{default:?}");
        assert_eq!(run(&["--sdnotify=ignore"]).err, "");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    let two = ["run", "--rm", "--sdnotify", "container", "-e", "NOTIFY_SOCKET=/x", IMAGE, "true"];
    let out = s.run(&two);
    assert!(out.code == 125 && out.err.contains("two sockets for one notifier"), "{out:?}");
}

#[test]
fn pidfiles_hold_the_pids_while_it_runs() {
    let s = session!();
    let (home, id_of) = (s.home(), |name: &str| fs::read_to_string(s.home().join(name)).unwrap());
    let flags = ["--pidfile", "pid", "--conmon-pidfile", "monitor", "--restart", "on-failure"];
    let id = s.detached("x", &flags, "exec sleep 1000");
    let (monitor, payload) = s.pids(&id);
    assert_eq!((id_of("pid"), id_of("monitor")), (payload.to_string(), monitor.to_string()));
    assert_eq!(s.inspect("x", ".PidFile"), home.join("pid").to_str().unwrap());
    assert_eq!(s.inspect("x", ".ConmonPidFile"), home.join("monitor").to_str().unwrap());
    // A restart has another pid.
    signal(payload as u32, 9);
    until("another pid", || {
        let now = s.pids(&id).1;
        now != payload && fs::read_to_string(home.join("pid")).unwrap() == now.to_string()
    });
    s.ok(&["stop", "-t", "0", "x"]);
    until("removed", || !home.join("pid").exists() && !home.join("monitor").exists());
    let temporary = |e: &fs::DirEntry| e.file_name().to_string_lossy().ends_with(".tmp");
    assert_eq!(fs::read_dir(&home).unwrap().flatten().filter(temporary).count(), 0);
    // Refused before anything is made, and told where it comes too late.
    let out = s.run(&["run", "-d", "--pidfile", "no/such", IMAGE, "true"]);
    assert!(out.code == 125 && out.err.contains("--pidfile no/such"), "{out:?}");
    assert_eq!(s.ok(&["ps", "-a", "--format", "{{.Names}}"]), "x");
    let dir = s.make_dir("dir");
    s.ok(&["create", "--name", "y", "--network=none", "--pidfile", "dir/pid", IMAGE, "sleep", "9"]);
    fs::remove_dir(dir).unwrap();
    let out = s.run(&["start", "y"]);
    assert!(
        out.code == 0 && out.err.contains("denied: ") && out.err.contains("dir/pid"),
        "{out:?}"
    );
}

#[test]
fn required_containers_are_started_first_and_stay() {
    let s = session!();
    for (name, flags) in [("a", &[][..]), ("b", &["--requires", "a"]), ("c", &["--requires=a,b"])] {
        let base = ["create", "--network", "none", "--name", name];
        s.ok(&[&base[..], flags, &[IMAGE, "sleep", "1000"]].concat());
    }
    s.ok(&["start", "c"]);
    let running = || s.ok(&["ps", "--format", "{{.Names}}", "--sort", "names"]);
    assert_eq!(running(), "a\nb\nc");
    let started = |name: &str| s.inspect(name, ".State.StartedAt");
    assert!(started("a") < started("b") && started("b") < started("c"));
    let ids = s.inspect("b", "index .Dependencies 0");
    assert_eq!(ids, s.inspect("a", ".Id"));
    s.ok(&["stop", "-t", "0", "a"]);
    assert_eq!(s.ok(&["container", "prune", "-f"]), "");
    s.ok(&["stop", "-t", "0", "--all"]);
    let out = s.run(&["rm", "a"]);
    assert!(out.code == 125 && out.err.contains("has dependent containers"), "{out:?}");
    assert_eq!(s.run(&["rm", "a", "b", "c"]).code, 0);

    let out = s.run(&["create", "--requires", "nosuch", IMAGE, "true"]);
    assert!(out.code == 125 && out.err.contains("--requires \"nosuch\""), "{out:?}");
    assert_eq!(s.ok(&["ps", "-aq"]), "");

    s.ok(&["create", "--name", "d", "--network=none", IMAGE, "true"]);
    s.ok(&["create", "--name", "e", "--network=none", "--requires=d", IMAGE, "true"]);
    let out = s.run(&["rm", "-f", "d"]);
    assert!(out.code == 125 && out.err.contains("use --depend"), "{out:?}");
    s.ok(&["rm", "--depend", "-f", "d"]);
    s.ok(&["create", "--name", "f", "--network=none", IMAGE, "true"]);
    s.ok(&["create", "--name", "g", "--network=none", "--requires=f", IMAGE, "true"]);
    s.ok(&["rm", "--depend", "f"]);
    assert_eq!(s.ok(&["ps", "-a", "-q"]), "");
}

#[test]
fn containers_that_require_each_other_are_told() {
    let s = session!();
    for (name, flags) in [("a", &[][..]), ("b", &["--requires", "a"])] {
        let base = ["create", "--network", "none", "--name", name];
        s.ok(&[&base[..], flags, &[IMAGE, "sleep", "1000"]].concat());
    }
    let (a, b) = (s.inspect("a", ".Id"), s.inspect("b", ".Id"));
    // No command makes it so.
    let path = s.data().join("containers").join(&a).join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replace(r#""requires":[]"#, &format!(r#""requires":["{b}"]"#));
    assert_ne!(text, changed);
    fs::write(&path, changed).unwrap();
    let out = s.run(&["start", "b"]);
    assert!(out.code == 125 && out.err.contains("require each other"), "{out:?}");
    assert!(out.err.contains(&format!("{b} → {a} → {b}")), "{out:?}");
    assert_eq!(s.ok(&["ps", "-q"]), "");
}

/// `exec`s the words with descriptors 3 and 4 open on files, as a service manager would.
fn activated(s: &Session, words: &[&str]) -> String {
    s.file("three", "of three");
    s.file("four", "of four");
    let script = "export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin; \
        exec \"$@\" 3<three 4<four 5</etc/passwd";
    let mut command = s.command("sh");
    command.args(["-c", script, "sh"]).arg(s.program()).args(words);
    let out = finish(command.spawn().unwrap(), Duration::from_secs(30), "activated");
    assert!(out.code == 0 && out.err.is_empty(), "{out:?}");
    out.out
}

#[test]
fn listening_sockets_are_passed_on() {
    let s = session!();
    let script =
        "echo $$ $LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES; cat <&3; cat <&4; ls /proc/self/fd";
    let shown = |head: &str| format!("{head} 2 web:admin\nof threeof four0\n1\n2\n3\n4\n5\n");
    let base = ["run", "--rm", "--network", "none"];
    let run =
        |flags: &[&str]| activated(&s, &[&base[..], flags, &[IMAGE, "sh", "-c", script]].concat());
    assert_eq!(run(&[]), shown("1 1"));
    // Below an init of ours it is another pid.
    let out = run(&["--init"]);
    let (pid, rest) = out.split_once(' ').unwrap();
    assert_ne!(pid, "1");
    assert_eq!(format!("{pid} {rest}"), shown(&format!("{pid} {pid}")));
    // A container that starts again and again keeps them.
    let again = "echo $LISTEN_FDS; head -c 3 /proc/self/fd/3; exit 1";
    activated(
        &s,
        &[
            "run",
            "-d",
            "--network=none",
            "--name=x",
            "--restart=on-failure:2",
            IMAGE,
            "sh",
            "-c",
            again,
        ],
    );
    assert_eq!(s.ok(&["wait", "x"]), "1");
    assert_eq!(s.ok(&["logs", "x"]).matches("2\nof ").count(), 3);
    // What is for another process is not ours.
    let mut command =
        s.bolt(&["run", "--rm", "--network=none", IMAGE, "sh", "-c", "echo $LISTEN_FDS."]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    assert_eq!(ok(&mut command), ".");
}

#[test]
fn preserved_descriptors_reach_run_and_exec() {
    let s = session!();
    s.file("three", "of three");
    let shell = |script: &str| {
        let mut command = s.command("sh");
        command.args(["-c", script]).env("BOLT", s.program()).env("IMAGE", IMAGE);
        finish(command.spawn().unwrap(), Duration::from_secs(30), script)
    };
    let run = "\"$BOLT\" run --rm --network none --preserve-fds";
    let out = shell(&format!("exec {run} 1 $IMAGE sh -c 'cat <&3; echo $LISTEN_FDS.' 3<three"));
    assert_eq!((out.code, out.out.as_str()), (0, "of three.\n"), "{out:?}");
    // Who reads from the other end sees the end while the container runs on.
    let closes = "exec 3>&-; sleep 1; echo late";
    let out = shell(&format!(
        "mkfifo pipe; {run} 1 $IMAGE sh -c 'echo early >&3; {closes}' 3>pipe & cat pipe; echo end; wait"
    ));
    assert_eq!(out.out, "early\nend\nlate\n", "{out:?}");
    let out = shell(&format!("exec {run} 2 $IMAGE true 3<three"));
    assert_eq!(out.code, 125);
    assert!(out.err.contains("file descriptor 4 is not available"), "{out:?}");
    s.detached("x", &[], "exec sleep 1000");
    let exec = "\"$BOLT\" exec --preserve-fds";
    let out =
        shell(&format!("exec {exec} 2 x sh -c 'cat <&3; ls /proc/self/fd' 3<three 4</dev/null"));
    assert_eq!((out.code, out.out.as_str()), (0, "of three0\n1\n2\n3\n4\n5\n"), "{out:?}");
    assert_eq!(shell(&format!("exec {exec} 5 x true 3<three")).code, 125);
}

#[test]
fn a_signal_to_the_supervisor_ends_the_container_and_is_no_stop_by_hand() {
    let s = session!();
    let id = s.detached("x", &["--restart", "unless-stopped"], "exec sleep 1000");
    signal(s.pids(&id).0 as u32, 15);
    until("ended", || s.inspect("x", ".State.Status") == "exited");
    assert_eq!(s.inspect("x", ".State.StoppedByUser"), "false");
    assert_eq!(s.ok(&["ps", "-aq", "--no-trunc", "--filter", "should-start-on-boot=true"]), id);
    s.ok(&["start", "x"]);
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(s.ok(&["ps", "-aq", "--filter", "should-start-on-boot=true"]), "");
}

#[test]
fn without_control_groups_there_are_no_limits_to_promise() {
    let s = session!();
    let out = s.once(&["--cgroups", "disabled"], &["cat", "/proc/self/cgroup"]);
    assert_eq!(out.code, 0, "{out:?}");
    let out = s.once(&["--cgroups", "disabled", "-m", "64m"], &["true"]);
    assert!(out.code == 125 && out.err.contains("--cgroups disabled"), "{out:?}");
    let out = s.once(&["--cgroups", "bad"], &["true"]);
    assert!(out.code == 125 && out.err.contains("no-conmon"), "{out:?}");
    assert_eq!(s.once(&["--cgroups", "no-conmon"], &["true"]).code, 0);
    s.detached("x", &["--cgroups", "no-conmon"], "exec sleep 1000");
    assert_eq!(s.inspect("x", ".HostConfig.Cgroups"), "no-conmon");
}

/// A supervisor that was killed cannot remove them.
#[test]
fn pidfiles_of_an_orphan_go_with_its_end() {
    let s = session!();
    let files = ["pid", "monitor"].map(|name| s.home().join(name));
    let run = || {
        let flags = ["--replace", "--pidfile", "pid", "--conmon-pidfile", "monitor"];
        let id = s.detached("x", &flags, "exec sleep 1000");
        assert!(files.iter().all(|file| file.exists()));
        let (monitor, _) = s.pids(&id);
        signal(monitor as u32, 9);
        until("orphaned", || s.inspect("x", ".State.Status") == "orphaned");
    };
    run();
    s.ok(&["stop", "-t", "0", "x"]);
    assert!(!files.iter().any(|file| file.exists()), "stopped");
    run();
    // What somebody else has written there since is his.
    fs::write(&files[1], "1").unwrap();
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    assert!(!files[0].exists() && files[1].exists(), "removed");
    fs::remove_file(&files[1]).unwrap();
    run();
    // Its payload ends by itself; nobody is there to see it.
    let pid: u32 = fs::read_to_string(&files[0]).unwrap().parse().unwrap();
    signal(pid, 9);
    until("ended", || s.inspect("x", ".State.Status") == "exited");
    s.ok(&["rm", "x"]);
    assert!(!files.iter().any(|file| file.exists()), "removed at its end");
}
