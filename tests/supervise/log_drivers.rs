//! Where output goes besides the log file: the caller's own streams, the systemd journal.

use crate::harness::process::{Out, finish};
use crate::harness::pty::Terminal;
use crate::harness::user::{IMAGE, Session, has, until};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, pipe};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const PASS: [&str; 2] = ["--log-driver", "passthrough"];

/// Device and inode of what lies at a number of a process, or a file.
fn identity(path: impl AsRef<Path>) -> (u64, u64) {
    let meta = fs::metadata(path).unwrap();
    (meta.dev(), meta.ino())
}

fn descriptors(pid: i32) -> Vec<String> {
    let list = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let mut names: Vec<_> = list.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn run(name: &str, flags: &[&str], script: &str) -> Vec<String> {
    let words =
        [&["run", "--network", "none", "--name", name], flags, &[IMAGE, "sh", "-c", script]];
    words.concat().into_iter().map(str::to_owned).collect()
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

#[test]
fn passthrough_gives_the_callers_streams_and_nothing_else() {
    let s = session!();
    let out = s.once(&PASS, &["sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (3, "out\n", "err\n"));
    let (input, errors) = (s.file("in", "a line\n"), s.file("errors", ""));
    let (reader, writer) = pipe().unwrap();
    let script = "read line; echo \"got $line\"; echo bad >&2; exec sleep 1000";
    let mut command = s.bolt(&words(&run("x", &[&PASS[..], &["-d"]].concat(), script)));
    command.stdin(File::open(&input).unwrap()).stdout(writer);
    command.stderr(File::options().append(true).open(&errors).unwrap());
    assert!(command.status().unwrap().success());
    drop(command);
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "got a line\n", "the id is not in the payload's output");
    until("the error is there", || fs::read_to_string(&errors).unwrap() == "bad\n");

    let id = s.inspect("x", ".Id");
    let (monitor, payload) = s.pids(&id);
    assert_eq!(descriptors(payload), ["0", "1", "2"]);
    let at = |pid: i32, n: &str| identity(format!("/proc/{pid}/fd/{n}"));
    assert_eq!(at(payload, "0"), identity(&input));
    assert_eq!(at(payload, "2"), identity(&errors));
    let given = ["0", "1", "2"].map(|n| at(payload, n));
    for n in descriptors(monitor) {
        assert!(!given.contains(&at(monitor, &n)), "the supervisor has kept {n}");
    }
    for (verb, said) in [
        ("logs", "container x has no log: it was made with --log-driver passthrough;"),
        ("attach", "container x can be attached to: --log-driver passthrough gave it"),
    ] {
        let out = s.run(&[verb, "x"]);
        assert!(out.code == 125 && out.err.contains(said) && out.out.is_empty(), "{out:?}");
    }
    assert_eq!(s.inspect("x", ".HostConfig.LogConfig.Type"), "passthrough");
    assert_eq!(s.inspect("x", ".HostConfig.LogConfig.Path"), "");
    let unit = s.ok(&["generate", "systemd", "--new", "--name", "x"]);
    assert!(unit.contains("--log-driver=passthrough"), "{unit}");
    // An exec has its own, and none of those.
    assert_eq!(s.ok(&["exec", "x", "sh", "-c", "ls /proc/$$/fd; true"]), "0\n1\n2");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    // Nobody has the pipe any more.
    assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn passthrough_is_kept_for_restarts_and_new_at_each_start() {
    let s = session!();
    let (first, second) = (s.file("first", ""), s.file("second", ""));
    let to = |path: &str| File::options().append(true).open(path).unwrap();
    let flags = [&PASS[..], &["-d", "--restart", "on-failure:2"]].concat();
    let mut command = s.bolt(&words(&run("x", &flags, "echo run; exit 1")));
    assert!(command.stdout(to(&first)).status().unwrap().success());
    assert_eq!(s.ok(&["wait", "x"]), "1");
    assert_eq!(fs::read_to_string(&first).unwrap(), "run\nrun\nrun\n");
    assert!(s.bolt(&["start", "x"]).stdout(to(&second)).status().unwrap().success());
    s.ok(&["wait", "x"]);
    // The verb says what it has started.
    let said = fs::read_to_string(&second).unwrap();
    assert_eq!(said.replace("x\n", ""), "run\nrun\nrun\n");
    assert_eq!(fs::read_to_string(&first).unwrap().lines().count(), 3);
    // Where it was to start once, they are gone.
    s.bolt(&words(&run("y", &[&PASS[..], &["-d"]].concat(), "exec sleep 1000")))
        .stdout(to(&first))
        .status()
        .unwrap();
    let out = s.run(&["update", "--restart", "always", "y"]);
    assert!(out.err.contains("passthrough"), "{out:?}");
    s.ok(&["rm", "-f", "-t", "0", "y"]);
}

#[test]
fn passthrough_is_not_for_terminals_but_passthrough_tty_is() {
    let s = session!();
    let in_terminal = |driver: &str, said: &str| {
        let flags = ["--rm", "--log-driver", driver];
        let words = run("x", &flags, "test -t 0 && test -t 1 && echo is a terminal; exit 4");
        let mut command = s.command("setsid");
        command.args(["-w", "-c"]).arg(s.program()).args(words);
        let mut terminal = Terminal::start(command, 24, 80);
        terminal.expect(said);
        terminal.end()
    };
    assert_eq!(
        in_terminal("passthrough", "is a terminal, and --log-driver passthrough gives none"),
        125
    );
    assert_eq!(in_terminal("passthrough-tty", "is a terminal"), 4);
    for driver in ["passthrough", "passthrough-tty"] {
        let out = s.once(&["-t", "--log-driver", driver], &["true"]);
        assert!(out.code == 125 && out.err.contains("-t makes a terminal"), "{out:?}");
    }
    // What leads to the host's files is not passed.
    let mut command = s.bolt(&words(&run("x", &PASS, "true")));
    let out = finish(command.stdin(File::open("/").unwrap()).spawn().unwrap(), PATIENCE, "dir");
    assert!(out.code == 125 && out.err.contains("standard input is a directory"), "{out:?}");
    assert_eq!(s.ok(&["ps", "-aq"]), "", "a refused start leaves nothing");
}

#[test]
fn options_are_those_of_the_driver() {
    let s = session!();
    let path = s.home().join("own-log").display().to_string();
    let flags = ["--log-driver", "json-file", "--log-opt", &format!("path={path}")];
    s.detached("x", &flags, "echo one; echo two");
    s.ok(&["wait", "x"]);
    assert_eq!(s.inspect("x", ".HostConfig.LogConfig.Path"), path);
    until("written", || fs::read_to_string(&path).is_ok_and(|text| text.ends_with(" F two\n")));
    assert_eq!(s.ok(&["logs", "--tail", "1", "x"]), "two");
    let dir = s.make_dir("logs");
    let id = s.detached("y", &["--log-opt", &format!("path={dir}")], "echo three");
    s.ok(&["wait", "y"]);
    assert_eq!(s.inspect("y", ".HostConfig.LogConfig.Path"), format!("{dir}/{id}/ctr.log"));
    assert_eq!(s.ok(&["logs", "y"]), "three");
    s.ok(&["rm", "y"]);
    assert!(Path::new(&format!("{dir}/{id}/ctr.log")).exists(), "it is the user's, as in podman");
    for (flags, said) in [
        (&["--log-opt", "max-file=3"][..], "\"max-file=3\" is not known"),
        (&["--log-opt", "tag=x"], "'k8s-file' has no tags"),
        (&["--log-driver", "journald", "--log-opt", "tag={{"], "template"),
        (&["--log-opt", "path=/nowhere/file"], "/nowhere"),
    ] {
        let out = s.run(&[&["create"], flags, &[IMAGE]].concat());
        assert!(out.code == 125 && out.err.contains(said), "{flags:?}: {out:?}");
    }
    fs::create_dir_all(s.home().join(".config/containers")).unwrap();
    let conf = "[containers]\nlog_driver = \"journald\"\nlog_tag = \"mine\"\nlog_size_max = 99\n";
    s.file(".config/containers/containers.conf", conf);
    s.ok(&["create", "--name", "z", IMAGE, "true"]);
    assert_eq!(
        s.inspect("z", "json .HostConfig.LogConfig"),
        r#"{"Config":null,"Path":"","Size":"0B","Tag":"mine","Type":"journald"}"#
    );
    assert_eq!(s.ok(&["info", "--format", "{{.Host.LogDriver}}"]), "journald");
    s.ok(&["create", "--name", "k", "--log-driver", "k8s-file", IMAGE, "true"]);
    assert_eq!(s.inspect("k", ".HostConfig.LogConfig.Size"), "99B");
    s.file(".config/containers/containers.conf", "[containers]\nlog_driver = \"syslog\"\n");
    let out = s.run(&["create", IMAGE]);
    assert!(out.code == 125 && out.err.contains("log_driver \"syslog\""), "{out:?}");
    // What the user may not write, and what no entry could hold.
    let out = s.run(&["create", "--log-driver", "k8s-file", "--log-opt", "path=/root/x", IMAGE]);
    assert!(out.code == 125 && out.err.contains("write to /root: Permission denied"), "{out:?}");
    let tag = format!("tag={}", "x".repeat(4097));
    let out = s.run(&["create", "--log-driver", "journald", "--log-opt", &tag, IMAGE]);
    assert!(out.code == 125 && out.err.contains("at most 4096"), "{out:?}");
}

#[test]
fn a_log_that_the_container_shares_leads_nowhere_and_holds_nobody_up() {
    let s = session!();
    let (dir, victim) = (s.make_dir("shared"), s.make_dir("victim"));
    s.make_dir("shared/sub");
    let flags = ["-v", &format!("{dir}:/d"), "--log-opt", &format!("path={dir}/sub/log")];
    let script = "mv /d/sub /d/old; ln -s ../victim /d/sub; echo one; mkfifo /d/old/pipe; \
        exec sleep 1000";
    let id = s.detached("x", &flags, script);
    let log = Path::new(&dir).join("old/log");
    until("written", || fs::read_to_string(&log).is_ok_and(|t| t.contains(" F one\n")));
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    assert_eq!(descriptors(s.pids(&id).1), ["0", "1", "2"]);
    // A pipe in the place of the file: nobody waits for who reads or writes it.
    fs::rename(Path::new(&dir).join("old/pipe"), &log).unwrap();
    fs::remove_file(Path::new(&dir).join("sub")).unwrap();
    fs::rename(Path::new(&dir).join("old"), Path::new(&dir).join("sub")).unwrap();
    let out = s.run(&["logs", "x"]);
    assert!(out.code == 125 && out.err.contains("sub/log: it is not a regular file"), "{out:?}");
    s.ok(&["stop", "-t", "0", "x"]);
    let out = s.run(&["start", "x"]);
    assert!(out.code == 125 && out.err.contains("sub/log: it is not a regular file"), "{out:?}");
    fs::remove_file(Path::new(&dir).join("sub/log")).unwrap();
    // A link that one run leaves is not followed by the next one.
    fs::rename(Path::new(&dir).join("sub"), Path::new(&dir).join("old")).unwrap();
    std::os::unix::fs::symlink("../victim", Path::new(&dir).join("sub")).unwrap();
    let again = s.run(&["start", "x"]);
    assert!(again.code == 125 && again.err.contains("symbolic link"), "{again:?}");
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    s.ok(&["rm", "x"]);
}

/// `script` with a /run of its own, whose /run/systemd/journal is `$JOURNAL`. `b ARGS` is bolt, run
/// by the session's user.
fn beside_journal(s: &Session, journal: &Path, script: &str) -> Out {
    let script = format!(
        "set -eu; mount -t tmpfs t /run; mkdir -p /run/systemd/journal /run/log/journal
        mount --bind \"$JOURNAL\" /run/systemd/journal
        b() {{ setpriv --reuid {} --regid {} --clear-groups \"$BOLT\" \"$@\"; }}
        {script}",
        s.user.uid, s.user.gid
    );
    let mut command = s.command_of_the_tester("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script]);
    command.env("JOURNAL", journal).env("BOLT", s.program());
    finish(command.spawn().unwrap(), PATIENCE * 2, "beside a journal")
}

/// Fields of an entry in the journal's native protocol.
fn fields(server: &UnixDatagram) -> Vec<(String, String)> {
    let mut buffer = vec![0; 64 * 1024];
    let length = server.recv(&mut buffer).expect("an entry");
    let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
    let pair = |line: &str| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    text.lines().map(|line| pair(line).unwrap()).collect()
}

#[test]
fn lines_are_entries_of_the_journal() {
    let s = session!();
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip!("only root can put a journal at its place");
    }
    let dir = s.make_dir("journal");
    let dir = Path::new(&dir);
    let flags = "--network none --log-driver journald";
    let start = format!("b run --rm {flags} {IMAGE} true");
    let out = beside_journal(&s, dir, &start);
    let said =
        "the journal does not answer at /run/systemd/journal/socket: there is no such socket";
    assert!(out.code == 125 && out.err.contains(said), "{out:?}");
    assert_eq!(s.ok(&["ps", "-aq"]), "");

    let server = UnixDatagram::bind(dir.join("socket")).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    fs::set_permissions(dir.join("socket"), PermissionsExt::from_mode(0o666)).unwrap();
    let script = "echo out; echo err >&2; head -c 20000 /dev/zero | tr '\\0' a; echo; \
        while [ ! -e /go ]; do sleep 0.05; done; seq 20000; exit 7";
    let tag = "--log-opt tag={{.Name}}/{{.HostConfig.LogConfig.Type}}";
    let start = format!("b run -d --name x {flags} {tag} {IMAGE} sh -c \"$SCRIPT\"");
    let out =
        beside_journal(&s, dir, &format!("SCRIPT='{}'; {start}", script.replace('\'', "'\\''")));
    assert_eq!(out.code, 0, "{out:?}");
    let id = out.out.trim();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let mut entry = fields(&server);
        let rest = [
            ("CONTAINER_ID_FULL", id),
            ("CONTAINER_ID", &id[..12]),
            ("CONTAINER_NAME", "x"),
            ("CONTAINER_TAG", "x/journald"),
            ("SYSLOG_IDENTIFIER", "x/journald"),
        ];
        let own = entry.split_off(entry.len() - rest.len());
        assert_eq!(own, rest.map(|(k, v)| (k.to_owned(), v.to_owned())));
        seen.push(entry.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>());
    }
    // An init that stays has nothing of its supervisor's.
    let staying = format!("b run -d --name y --init {flags} {IMAGE} sleep 1000");
    let out = beside_journal(&s, dir, &staying);
    assert_eq!(out.code, 0, "{out:?}");
    let usual = s.detached("z", &["--init"], "exec sleep 1000");
    assert_eq!(descriptors(s.pids(out.out.trim()).1), descriptors(s.pids(&usual).1));
    // The two streams are two.
    let mut short: Vec<_> = seen.iter().filter(|e| e[0].len() < 100).cloned().collect();
    short.sort();
    assert_eq!(short, [["MESSAGE=err", "PRIORITY=3"], ["MESSAGE=out", "PRIORITY=6"]]);
    let long: Vec<_> = seen.iter().filter(|e| e[0].len() >= 100).collect();
    assert_eq!(long[0].last().unwrap(), "CONTAINER_PARTIAL_MESSAGE=true");
    assert_eq!(long[1].last().unwrap(), "PRIORITY=6");
    assert_eq!(long[0][0].len() + long[1][0].len(), 20_000 + 2 * "MESSAGE=".len());
    // A journal that reads no more, and then is gone, is not waited for.
    s.ok(&["exec", "x", "touch", "/go"]);
    assert_eq!(s.ok(&["wait", "x"]), "7");
    drop(server);
    fs::remove_file(dir.join("socket")).unwrap();
    assert!(s.run(&["start", "x"]).err.contains("/run/systemd/journal/socket"));
}

#[test]
fn logs_reads_the_journal() {
    let s = session!();
    let journald = "/lib/systemd/systemd-journald";
    if fs::metadata("/proc/self").unwrap().uid() != 0 || !Path::new(journald).exists() {
        skip!("only root can start a systemd-journald of its own, and it must be there");
    }
    if !has("journalctl") {
        skip!("no journalctl");
    }
    let dir = s.make_dir("journal");
    let script = format!(
        "mount -t tmpfs t /var/log
        {journald} >/dev/null 2>&1 & journald=$!
        trap 'kill $journald; wait $journald || true' EXIT
        while [ ! -S /run/systemd/journal/socket ]; do sleep 0.05; done
        start() {{ name=$1; shift; b run -d --name $name --network none --log-driver journald {IMAGE} \"$@\"; }}
        start x sh -c 'echo one; head -c 40000 /dev/zero | tr \"\\0\" a; echo; printf \"b\\377c\\n\"; sleep 0.2; echo err >&2; sleep 0.2; printf part' >/dev/null
        b wait x >/dev/null
        start other echo foreign >/dev/null
        b wait other >/dev/null
        journalctl --sync
        chmod -R a+rX /run/log/journal
        b logs x 2>&1 | tr a -d | tr -s - | od -An -c | tr -d ' \\n'; echo
        b logs x 2>/dev/null | tr -dc a | wc -c
        b logs --tail 1 x; echo
        b logs --tail 2 x 2>&1; echo
        b logs --since 1h x 2>&1 | wc -l
        echo \"$(b logs --until=-1h x)|\"
        b logs -t x 2>/dev/null | head -n 1 | cut -c 1-3
        start y sh -c 'echo 1; sleep 1; echo 2'>/dev/null
        b logs -f y
        b logs -n x 2>/dev/null | head -n 1
        PATH=/nowhere; export PATH; /bin/setpriv --reuid {} --regid {} --clear-groups \"$BOLT\" logs x || echo $?",
        s.user.uid, s.user.gid
    );
    let out = beside_journal(&s, Path::new(&dir), &script);
    let lines: Vec<_> = out.out.lines().collect();
    let want = [
        "one\\n-\\nb377c\\nerr\\np-rt",
        "40001",
        "part",
        "err",
        "part",
        "4",
        "|",
        "20",
        "1",
        "2",
        "x one",
        "125",
    ];
    assert!(out.err.contains("there is no journalctl to read it"), "{out:?}");
    let mut got: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    got[7].truncate(2);
    assert_eq!(got, want, "{out:?}");
    // journald leaves its sockets.
    fs::remove_dir_all(&dir).unwrap();
}
