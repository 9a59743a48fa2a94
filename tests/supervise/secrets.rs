//! `bolt secret` and `--secret`. Words, codes and keys are podman 4.3.1's, recorded with runc.

use crate::harness::process::{Out, finish};
use crate::harness::user::{IMAGE, Session, until};
use rustix::fs::{Mode, OFlags};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The value of all secrets here: nothing that Bolt writes may hold it.
const CANARY: &str = "canary-5e1f-ship";

/// `bolt ARGS` with this on its standard input.
fn fed(s: &Session, args: &[&str], input: &[u8]) -> Out {
    let mut child = s.bolt(args).stdin(Stdio::piped()).spawn().unwrap();
    // It may be refused before it is read.
    let _ = child.stdin.take().unwrap().write_all(input);
    finish(child, Duration::from_secs(30), &format!("{args:?}"))
}

fn make(s: &Session, name: &str, value: impl AsRef<[u8]>) -> String {
    let out = fed(s, &["secret", "create", name, "-"], value.as_ref());
    assert!(out.code == 0 && out.err.is_empty(), "{out:?}");
    out.out.trim_end().to_owned()
}

fn fails(out: &Out, word: &str) {
    assert!(out.code == 125 && out.out.is_empty() && out.err.contains(word), "{word}: {out:?}");
    assert!(!out.err.contains(CANARY), "{out:?}");
}

/// Files below the session that hold the canary.
fn holding(s: &Session) -> Vec<String> {
    let found = Command::new("grep").args(["-rlaF", CANARY]).arg(s.dir()).output().unwrap();
    let home = s.data().to_str().unwrap().to_owned() + "/";
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    let mut found: Vec<_> = text.lines().map(|l| l.replace(&home, "")).collect();
    found.sort();
    found
}

#[test]
fn secrets_are_created_listed_shown_and_removed() {
    let s = session!();
    let file = s.file("value", CANARY);
    let id = s.ok(&["secret", "create", "-l", "k=v", "-l", "bare", "db.pass-1", &file]);
    assert!(id.len() == 25 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let mut env = s.bolt(&["secret", "create", "--env", "token", "TOKEN"]);
    let out = finish(env.env("TOKEN", CANARY).spawn().unwrap(), Duration::from_secs(9), "--env");
    assert_eq!(out.code, 0, "{out:?}");
    assert_eq!(
        s.ok(&["secret", "ls", "--format", "{{.Name}} {{.Driver}}"]),
        "db.pass-1 file\ntoken file"
    );
    let table = s.ok(&["secret", "ls"]);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        words(table.lines().next().unwrap()),
        ["ID", "NAME", "DRIVER", "CREATED", "UPDATED"]
    );
    assert_eq!(words(table.lines().nth(1).unwrap())[..3], [&*id, "db.pass-1", "file"]);
    assert_eq!(s.ok(&["secret", "ls", "--noheading"]).lines().count(), 2);
    assert_eq!(s.ok(&["secret", "ls", "-q", "--filter", "name=pass"]), id);
    assert_eq!(s.ok(&["secret", "list", "-q", "--filter", &format!("id={}", &id[..6])]), id);
    fails(&s.run(&["secret", "ls", "--filter", "bogus=x"]), "\"bogus\"");

    let shown: Value = serde_json::from_str(&s.ok(&["secret", "inspect", &id[..9]])).unwrap();
    let [shown] = shown.as_array().unwrap().as_slice() else { panic!("{shown}") };
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(shown).len(), 4);
    assert_eq!(shown["ID"], *id);
    assert_eq!(shown["CreatedAt"], shown["UpdatedAt"]);
    assert!(shown["CreatedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(keys(&shown["Spec"]).len(), 3);
    assert_eq!(shown["Spec"]["Labels"], serde_json::json!({ "bare": "", "k": "v" }));
    assert_eq!(shown["Spec"]["Driver"]["Name"], "file");
    assert_eq!(s.ok(&["secret", "inspect", "-f", "{{.Spec.Name}}", &id]), "db.pass-1");
    assert!(
        s.ok(&["secret", "inspect", "--pretty", "token"]).contains("Name:              token\n")
    );
    let out = s.run(&["secret", "inspect", "token", "nosuch"]);
    assert!(out.code == 125 && out.out.contains("token"), "{out:?}");
    assert!(out.err.contains("no secret with name or id \"nosuch\""), "{out:?}");

    let dir = s.data().join("secrets");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("token"))), (0o700, 0o600));
    assert_eq!(s.run(&["secret", "exists", "token"]).code, 0);
    assert_eq!(s.run(&["secret", "exists", "nosuch"]).code, 1);
    let out = s.run(&["secret", "rm", "db.pass-1", "nosuch"]);
    assert_eq!((out.code, out.out.trim_end()), (125, &*id), "{out:?}");
    fails(&s.run(&["secret", "rm"]), "SECRET");
    fails(&s.run(&["secret", "rm", "--all", "x"]), "cannot be used with");
    // What is damaged goes too.
    fs::write(dir.join("torn"), "{").unwrap();
    let all = s.ok(&["secret", "rm", "--all"]);
    assert!(all.ends_with("\ntorn") && all.len() == 25 + 5, "{all}");
    assert_eq!(s.ok(&["secret", "rm", "-a"]), "");
    assert_eq!(s.ok(&["secret", "ls", "-q"]), "");
    let told = ["events", "--stream=false", "--filter", "type=secret", "--format"];
    let told = s.ok(&[&told[..], &["{{.Status}} {{.Name}}"]].concat());
    assert_eq!(told, "create db.pass-1\ncreate token\nremove db.pass-1\nremove token\nremove torn");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
}

/// The value is shown there alone, and where it was asked for.
#[test]
fn a_secret_is_replaced_and_its_value_shown() {
    let s = session!();
    let first = make(&s, "db", "old");
    s.detached("x", &["--secret", "db"], "cat /run/secrets/db; exec sleep 1000");
    let out = fed(&s, &["secret", "create", "--replace", "db", "-"], CANARY.as_bytes());
    let second = out.out.trim_end();
    assert!(out.code == 0 && out.err.is_empty() && second != first, "{out:?}");
    assert_eq!(s.ok(&["secret", "ls", "-q"]), second);
    let show = |format: &str| s.ok(&["secret", "inspect", "--showsecret", "-f", format, "db"]);
    assert_eq!(show("{{.Spec.Name}} {{.SecretData}}"), format!("db {CANARY}"));
    let shown: Value = serde_json::from_str(&s.ok(&["secret", "inspect", "db"])).unwrap();
    assert!(shown[0].get("SecretData").is_none(), "{shown}");
    assert!(shown[0]["UpdatedAt"].as_str() > shown[0]["CreatedAt"].as_str(), "{shown}");
    fails(&s.run(&["secret", "inspect", "--showsecret", "--pretty", "db"]), "--pretty");
    let out = s.run(&["secret", "inspect", "--showsecret", "nosuch"]);
    assert!(out.code == 125 && out.err.contains("no secret with name"), "{out:?}");
    // Who has it keeps what he got.
    until("told", || s.ok(&["logs", "x"]) == "old");
    s.ok(&["restart", "-t", "0", "x"]);
    until("told again", || s.ok(&["logs", "x"]) == "oldold");
    // One that is not there is made, and a bad name stays one.
    let out = fed(&s, &["secret", "create", "--replace", "new", "-"], b"v");
    assert_eq!(out.code, 0, "{out:?}");
    fails(&fed(&s, &["secret", "create", "--replace", "a,b", "-"], b"v"), "is not a secret name");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}

#[test]
fn what_is_no_secret_is_refused_and_changes_nothing() {
    let s = session!();
    make(&s, "taken", CANARY);
    let file = s.file("value", CANARY);
    let create = |name: &str, from: &str| s.run(&["secret", "create", "--", name, from]);
    fails(&create("taken", &file), "secret name \"taken\" is in use");
    let long = "x".repeat(65);
    for bad in ["-bad", "bad_", "ba/d", "a,b", "..", "a b", "a\nb", "", "ä", long.as_str()] {
        fails(&create(bad, &file), "is not a secret name");
    }
    fails(&create("n", "nosuch"), "read nosuch: No such file");
    fails(&create("n", &s.file("empty", "")), "1 to 511999 bytes, not 0");
    fails(&create("n", &s.file("big", vec![b'x'; 512_000])), "not more");
    fails(&create("n", "/dev/zero"), "not more");
    fails(&create("n", "."), "is a directory");
    fails(&s.run(&["secret", "create", "--env", "n", "NOSUCH"]), "NOSUCH is not set");
    fails(&s.run(&["secret", "create", "--driver", "pass", "n", &file]), "pass");
    fails(&fed(&s, &["secret", "create", "n", "-"], b""), "not 0");
    assert_eq!(s.ok(&["secret", "ls", "--format", "{{.Name}}"]), "taken");
    s.ok(&["secret", "create", "n", &s.file("fits", vec![b'x'; 511_999])]);
    for (flag, why) in [
        ("nosuch", "no secret with name or id \"nosuch\""),
        ("", "write NAME"),
        ("type=mount,taken", "unknown option \"taken\""),
        ("taken,type=bogus", "type \"bogus\" is invalid"),
        ("taken,mode=99", "mode \"99\" is invalid"),
        ("taken,uid=x", "uid \"x\" is invalid"),
        ("taken,type=env,mode=0400", "leave them out"),
        ("taken,target=../../x", "target \"../../x\" is invalid"),
        ("n,type=env", "too long for a variable"),
    ] {
        fails(&s.once(&["--secret", flag], &["true"]), why);
    }
    make(&s, "nul", b"a\0b");
    fails(&s.once(&["--secret", "nul,type=env"], &["true"]), "NUL");
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    assert_eq!(fs::read_dir(s.data().join("secrets")).unwrap().count(), 3);
}

#[test]
fn a_container_finds_files_and_variables() {
    let s = session!();
    make(&s, "a", CANARY);
    make(&s, "lines", "line1\nline2\n");
    make(&s, "bytes", b"\x00\xff\x80");
    let list = |flag: &str| {
        s.script(
            &["--secret", flag],
            "find /run/secrets /abs -type f 2>/dev/null -exec stat -c '%a %u:%g %s %n' {} +; true",
        )
    };
    let size = CANARY.len();
    assert_eq!(list("a"), format!("444 0:0 {size} /run/secrets/a"));
    assert_eq!(
        list("a,target=foo,mode=0400,uid=5,gid=6"),
        format!("400 5:6 {size} /run/secrets/foo")
    );
    assert_eq!(list("a,target=/abs/dir/foo"), format!("444 0:0 {size} /abs/dir/foo"));
    assert_eq!(list("source=a,type=mount"), format!("444 0:0 {size} /run/secrets/a"));
    let bytes = s.script(&["--secret", "bytes"], "od -An -tx1 /run/secrets/bytes");
    assert_eq!(bytes.trim(), "00 ff 80");
    // On no disk, also with a root that is read-only, and for any user.
    let where_is = "grep -q ' /run/secrets/a tmpfs ' /proc/mounts && cat /run/secrets/a";
    assert_eq!(s.script(&["--secret", "a"], where_is), CANARY);
    assert_eq!(s.script(&["--secret", "a", "--read-only"], where_is), CANARY);
    assert_eq!(s.script(&["--secret", "a", "--user", "1000"], where_is), CANARY);
    for userns in ["keep-id", "nomap", "auto"] {
        assert_eq!(s.script(&["--secret", "a", "--userns", userns], where_is), CANARY, "{userns}");
    }
    let short = s.ok(&["secret", "ls", "-q", "--filter", "name=a"]);
    assert_eq!(s.script(&["--secret", &short[..8]], where_is), CANARY);
    // An owner that the container does not have.
    let out = s.once(&["--secret", "a,uid=4000000000"], &["true"]);
    assert!(out.code == 125 && out.err.contains("4000000000:0 for /run/secrets/a"), "{out:?}");

    assert_eq!(s.script(&["--secret", "a,type=env"], "echo $a"), CANARY);
    let lines = s.script(&["--secret", "lines,type=env,target=MY"], "echo \"<$MY>\"");
    assert_eq!(lines, "<line1\nline2\n>");
    // It goes before --env, as with podman, and PATH is looked up in it.
    assert_eq!(
        s.script(&["-e", "a=over", "--secret", "a,type=env"], "echo $a; env | grep -c '^a='"),
        format!("{CANARY}\n1")
    );
    make(&s, "path", "/srv/data:/bin");
    assert_eq!(
        s.script(&["--secret", "path,type=env,target=PATH"], "echo $PATH"),
        "/srv/data:/bin"
    );
    // Of two with one name the later one counts.
    let both = ["--secret", "a,type=env", "--secret", "lines,type=env,target=a"];
    assert_eq!(s.script(&both, "echo \"$a\""), "line1\nline2");
    let both = ["--secret", "a", "--secret", "lines,target=a"];
    assert_eq!(s.script(&both, "cat /run/secrets/a"), "line1\nline2");
    assert_eq!(s.script(&["--secret", "a,target=/etc/hosts"], "cat /etc/hosts"), CANARY);
    assert_eq!(s.script(&["--init", "--secret", "a,type=env"], "echo $a"), CANARY);
}

#[test]
fn nothing_that_bolt_writes_or_shows_holds_a_secret() {
    let s = session!();
    let file = s.file("value", CANARY);
    s.ok(&["secret", "create", "a", &file]);
    fs::remove_file(&file).unwrap();
    let flags = [
        "--secret",
        "a",
        "--secret",
        "a,type=env,target=VAR",
        "--health-cmd=test -n $VAR",
        "--restart=on-failure",
    ];
    let id = s.detached("x", &flags, "test -s /run/secrets/a && touch /tmp/up; exec sleep 1000");
    until("it has the file", || s.run(&["exec", "x", "test", "-e", "/tmp/up"]).code == 0);
    assert_eq!(s.ok(&["exec", "x", "sh", "-c", "echo $VAR"]), CANARY);
    assert_eq!(s.ok(&["exec", "-e", "VAR=mine", "x", "sh", "-c", "echo $VAR"]), "mine");
    assert_eq!(s.run(&["healthcheck", "run", "x"]).code, 0);
    let shown: Value = serde_json::from_str(&s.inspect("x", "json .Config.Secrets")).unwrap();
    let secret = s.ok(&["secret", "inspect", "-f", "{{.ID}}", "a"]);
    let want =
        serde_json::json!([{ "Name": "a", "ID": secret, "UID": 0, "GID": 0, "Mode": 0o444 }]);
    assert_eq!(shown, want);
    for words in [
        &["inspect", "x"][..],
        &["ps", "-a", "--format", "json"],
        &["top", "x", "args"],
        &["logs", "x"],
        &["events", "--stream=false", "--format", "json"],
        &["secret", "ls", "--format", "json"],
        &["secret", "inspect", "a"],
        &["generate", "systemd", "--new", "x"],
        &["diff", "x"],
        &["run", "--dry-run", "--secret", "a", "--secret", "a,type=env", IMAGE, "true"],
        &["info"],
        &["system", "check"],
    ] {
        let out = s.run(words);
        assert!(!format!("{out:?}").contains(CANARY), "{words:?} shows it: {out:?}");
    }
    assert!(s.ok(&["generate", "systemd", "--new", "x"]).contains("--secret"));
    let plan = s.ok(&["run", "--dry-run", "--secret", "a,mode=0400", IMAGE, "true"]);
    assert!(plan.contains("\"<redacted>\"") && plan.contains("/run/secrets/a"), "{plan}");
    let (monitor, payload) = s.pids(&id);
    for pid in [monitor, payload] {
        let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(CANARY));
    }
    // BOLT_LOG tells why decisions were taken, and no values.
    let mut loud =
        s.bolt(&["run", "--rm", "--network=none", "--secret", "a,type=env", IMAGE, "true"]);
    let out =
        finish(loud.env("BOLT_LOG", "trace").spawn().unwrap(), Duration::from_secs(20), "run");
    assert!(out.code == 0 && !out.err.contains(CANARY), "{out:?}");

    // What holds it: the secret itself, and what the container got of it.
    let own = |n: u32| format!("containers/{id}/secret-{n}");
    assert_eq!(holding(&s), [own(0), own(1), "secrets/a".to_owned()]);
    for n in 0..2 {
        let file = fs::metadata(s.data().join(own(n))).unwrap();
        assert_eq!((file.mode() & 0o777, file.uid()), (0o600, s.user.uid));
    }
    let tar = s.home().join("x.tar");
    s.ok(&["export", "-o", tar.to_str().unwrap(), "x"]);
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    assert_eq!(holding(&s), ["secrets/a"]);
    s.ok(&["secret", "rm", "a"]);
    assert!(holding(&s).is_empty());
}

/// podman keeps files so, and looks variables up at each start.
#[test]
fn a_container_keeps_what_it_was_created_with() {
    let s = session!();
    make(&s, "a", CANARY);
    let script = "cat /run/secrets/a; echo /$VAR";
    let flags = ["--secret", "a", "--secret", "a,type=env,target=VAR", "--network=none"];
    s.ok(&[&["create", "--name", "x"], &flags[..], &[IMAGE, "sh", "-c", script]].concat());
    s.ok(&["secret", "rm", "a"]);
    make(&s, "a", "another");
    for _ in 0..2 {
        assert_eq!(s.ok(&["start", "-a", "x"]), format!("{CANARY}/{CANARY}"));
    }
    // Started again by its supervisor.
    let again =
        "cat /run/secrets/a; echo /$VAR; test -e /was && exec sleep 1000; touch /was; exit 1";
    s.detached("y", &[&flags[..4], &["--restart", "always"]].concat(), again);
    until("twice", || s.ok(&["logs", "y"]) == "another/another\nanother/another");
    let id = s.inspect("x", ".Id");
    fs::remove_file(s.data().join(format!("containers/{id}/secret-1"))).unwrap();
    let out = s.run(&["start", "x"]);
    assert!(out.code == 125 && out.err.contains("lost the value of its secret \"a\""), "{out:?}");
}

#[test]
fn a_maker_that_is_killed_in_the_middle_of_a_value_leaves_no_file() {
    let s = session!();
    let pipe = s.home().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::from_raw_mode(0o666)).unwrap();
    rustix::fs::chmod(&pipe, Mode::from_raw_mode(0o666)).unwrap();
    for source in ["-", pipe.to_str().unwrap()] {
        let create = ["secret", "create", "n", source];
        let mut child = s.bolt(&create).stdin(Stdio::piped()).spawn().unwrap();
        let mut input: Box<dyn Write> = match source {
            "-" => Box::new(child.stdin.take().unwrap()),
            _ => Box::new(fs::File::options().write(true).open(&pipe).unwrap()),
        };
        // More than a pipe holds: it has read some, and waits for the end.
        input.write_all(CANARY.repeat(9000).as_bytes()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(input);
        assert_eq!(fs::read_dir(s.data().join("secrets")).unwrap().count(), 0, "{source}");
        assert!(holding(&s).is_empty(), "{source}");
    }
}

#[test]
fn one_of_a_hundred_makers_wins_and_a_killed_one_leaves_no_name() {
    let s = session!();
    let makers: Vec<_> = (0..100)
        .map(|n| {
            let name = format!("f{n}");
            s.spawn(&["secret", "create", "n", &s.file(&name, format!("value-{n}"))])
        })
        .collect();
    let ended: Vec<_> =
        makers.into_iter().map(|c| finish(c, Duration::from_secs(60), "create")).collect();
    assert_eq!(ended.iter().filter(|out| out.code == 0).count(), 1);
    assert!(ended.iter().filter(|out| out.code != 0).all(|out| out.err.contains("in use")));
    let winner = ended.iter().position(|out| out.code == 0).unwrap();
    assert_eq!(s.script(&["--secret", "n"], "cat /run/secrets/n"), format!("value-{winner}"));
    assert_eq!(fs::read_dir(s.data().join("secrets")).unwrap().count(), 1);
    // At any moment: there is a whole secret, or none, and nothing besides.
    for n in 0..40 {
        let name = format!("k{n}");
        let mut child = s.spawn(&["secret", "create", &name, &s.file("k", CANARY.repeat(9000))]);
        std::thread::sleep(Duration::from_micros(n * 150));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let dir = s.data().join("secrets");
    // Where a file system has no files without a name, another maker removes it a minute later.
    let nameless = OFlags::WRONLY | OFlags::TMPFILE;
    if rustix::fs::open(&dir, nameless, Mode::RUSR).is_ok() {
        let left = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.as_encoded_bytes()[0] == b'.').collect();
        assert!(left.is_empty(), "{left:?}");
    }
    for name in s.ok(&["secret", "ls", "--format", "{{.Name}}"]).lines().filter(|l| *l != "n") {
        let flag = format!("{name},target=s");
        let size = s.script(&["--secret", &flag], "wc -c </run/secrets/s");
        assert_eq!(size, (CANARY.len() * 9000).to_string());
    }
    s.ok(&["secret", "rm", "--all"]);
}
