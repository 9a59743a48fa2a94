//! What can be told of a container from outside: `top`, `diff`, `export`.

use crate::harness::image::TestImage;
use crate::harness::process::finish;
use crate::harness::pty::Terminal;
use crate::harness::user::{IMAGE, Session, until};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

#[test]
fn top_shows_the_containers_own_numbers_and_names() {
    let s = session!();
    s.detached("x", &[], "su player -c 'exec sleep 1000' & exec sleep 2000");
    until("both run", || s.ok(&["top", "x", "args"]).contains("sleep 1000"));
    let usual = s.ok(&["top", "x"]);
    let mut lines = usual.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    let heading = ["USER", "PID", "PPID", "%CPU", "ELAPSED", "TTY", "TIME", "COMMAND"];
    assert_eq!(lines.next().unwrap(), heading);
    let init = lines.next().unwrap();
    assert_eq!((init[0], init[1], init[2], init[5]), ("root", "1", "0", "?"), "{usual}");
    assert_eq!(&init[7..], ["sleep", "2000"]);
    let picked = s.ok(&["top", "x", "user,ruser", "ppid", "hpid", "huser", "comm", "seccomp"]);
    let player = picked.lines().find(|l| l.starts_with("player")).unwrap();
    let fields: Vec<&str> = player.split_whitespace().collect();
    assert_eq!((fields[1], fields[2], fields[5], fields[6]), ("player", "1", "sleep", "filter"));
    let host = std::fs::read_to_string(format!("/proc/{}/status", fields[3])).unwrap();
    let uid = host.lines().find_map(|l| l.strip_prefix("Uid:")).unwrap();
    assert_eq!(uid.split_whitespace().nth(1), Some(fields[4]));
    // One that came by exec has no parent in there.
    let mut exec = s.spawn(&["exec", "x", "sleep", "3000"]);
    until("the exec runs", || s.ok(&["top", "x", "ppid", "args"]).contains("sleep 3000"));
    let line = s.ok(&["top", "x", "ppid", "args"]);
    assert!(line.lines().any(|l| l.split_whitespace().eq(["0", "sleep", "3000"])), "{line}");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    exec.wait().unwrap();
}

/// Every program may give itself any name (prctl(2), PR_SET_NAME).
#[test]
fn top_shows_a_process_whose_name_is_not_utf8() {
    let s = session!();
    s.detached("x", &[], "printf '\\377bad' >/proc/$$/comm; sleep 1000 & wait");
    until("it is named", || s.ok(&["top", "x", "comm"]).contains("bad"));
    until("both run", || s.ok(&["top", "x", "args"]).contains("sleep 1000"));
    let shown = s.ok(&["top", "x", "pid", "ppid", "comm"]);
    let rows: Vec<Vec<&str>> =
        shown.lines().skip(1).map(|l| l.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["1", "0", "\u{fffd}bad"]), "{shown}");
    assert!(rows.iter().any(|row| row[1..] == ["1", "sleep"]), "{shown}");
}

#[test]
fn top_refuses_what_it_cannot_show() {
    let s = session!();
    s.ok(&["create", "--name", "x", IMAGE, "true"]);
    let out = s.run(&["top", "x"]);
    assert!(out.code == 125 && out.err.contains("created"), "{out:?}");
    let out = s.run(&["top", "x", "bogus"]);
    assert!(out.code == 125 && out.err.contains("created"), "{out:?}");
    let out = s.run(&["top"]);
    assert!(out.code == 125 && out.err.contains("--latest"), "{out:?}");
    assert_eq!(s.run(&["top", "nosuch"]).code, 125);
    s.ok(&["rm", "x"]);
}

#[test]
fn top_has_podmans_descriptors() {
    let s = session!();
    let flags =
        ["--group-add", "7", "--group-add", "4242", "--cap-drop", "all", "--cap-add", "kill,chown"];
    s.detached("x", &flags, "exec sleep 1000");
    until("it sleeps", || s.ok(&["top", "x", "args"]).contains("sleep 1000"));
    let cell = |column: &str| {
        let shown = s.ok(&["top", "x", column]);
        shown.lines().nth(1).unwrap_or_default().trim().to_owned()
    };
    for (column, heading) in [
        ("capamb", "AMBIENT CAPS"),
        ("capbnd", "BOUNDING CAPS"),
        ("capeff", "EFFECTIVE CAPS"),
        ("capinh", "INHERITED CAPS"),
        ("capprm", "PERMITTED CAPS"),
        ("groups", "GROUPS"),
        ("hgroups", "HGROUPS"),
        ("label", "LABEL"),
        ("stime", "STIME"),
        ("%C", "%CPU"),
    ] {
        let shown = s.ok(&["top", "x", column]);
        assert_eq!(shown.lines().next().map(str::trim), Some(heading), "{shown}");
        assert!(shown.lines().nth(1).is_some_and(|l| !l.trim().is_empty()), "{shown}");
    }
    for column in ["capbnd", "capeff", "capprm"] {
        assert_eq!(cell(column), "CHOWN,KILL", "{column}");
    }
    let groups = cell("groups");
    assert!(groups.split(',').any(|group| group == "4242"), "{groups}");
    let (_, pid) = s.pids(&s.inspect("x", ".Id"));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let outer = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
    assert_eq!(cell("hgroups"), outer.split_whitespace().collect::<Vec<_>>().join(","));
    let (start, now) = (cell("stime"), s.inspect("x", ".State.StartedAt"));
    assert_eq!(start.split(' ').next(), now.split(' ').next(), "{start} {now}");
    assert_eq!(start.split(' ').count(), 4, "{start}");
}

/// podman 4.3.1: what is no descriptor is given to ps(1) in the container.
#[test]
fn top_asks_the_containers_ps() {
    let s = session!();
    s.detached("x", &[], "sleep 2000 & exec sleep 1000");
    until("both run", || s.ok(&["top", "x", "args"]).matches("sleep").count() == 2);
    // busybox's ps: no -e, and of `aux` it takes no notice.
    for words in [&["-o", "pid,args"][..], &["-o pid,args"], &["aux"]] {
        let shown = s.ok(&[&["top", "x"], words].concat());
        let heading: Vec<_> = shown.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(heading[0], "PID", "{shown}");
        let lines: Vec<_> = shown.lines().filter(|l| l.contains("sleep ")).collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(!shown.contains("ps -o"), "its own line is left out: {shown}");
    }
    s.detached("hostile", &[], "printf '#!/bin/sh\nprintf \"\\033[2Jx\\n\"' >/tmp/p; chmod +x /tmp/p; rm /bin/ps; mv /tmp/p /bin/ps; exec sleep 1000");
    until("replaced", || s.run(&["exec", "hostile", "ps"]).out.contains('x'));
    let mut t = Terminal::start(s.bolt(&["top", "hostile", "aux"]), 24, 80);
    t.expect("\\x1b[2Jx");
    assert_eq!(t.end(), 0);
    let out = s.run(&["top", "x", "--bogus"]);
    assert!(
        out.code == 125 && out.err.contains("\"--bogus\"") && out.err.contains("hpid"),
        "{out:?}"
    );
    assert!(out.err.contains("ps(1) in container"), "{out:?}");
    s.detached("bare", &[], "rm /bin/ps; exec sleep 1000");
    until("removed", || s.run(&["exec", "bare", "ls", "/bin/ps"]).code == 1);
    let out = s.run(&["top", "bare", "-eo", "pid,comm"]);
    assert!(out.code == 125 && out.err.contains("has no ps(1)"), "{out:?}");
    assert_eq!(out.err.lines().count(), 1, "{out:?}");
}

/// A container is hostile: its passwd may be a fifo, a link out, or endless.
#[test]
fn top_is_not_held_by_a_containers_passwd() {
    let s = session!();
    s.detached("x", &[], "rm /etc/passwd; mkfifo /etc/passwd; rm /etc/group; ln -s /dev/zero /etc/group; exec sleep 1000");
    // Until then there is a file, no link, or neither: readlink fails.
    let group = || s.run(&["exec", "x", "readlink", "/etc/group"]).out;
    until("prepared", || group() == "/dev/zero\n");
    let shown = s.ok(&["top", "x", "user", "group"]);
    assert!(shown.lines().nth(1).unwrap().split_whitespace().eq(["0", "0"]), "{shown}");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}

#[test]
fn diff_tells_added_changed_and_deleted() {
    let s = session!();
    let script = "echo a >/etc/added; echo >>/etc/passwd; rm /etc/group; mkdir -p /d/e; \
        touch /d/e/f; touch /gone; rm /gone";
    s.ok(&["run", "--name", "x", "--network", "none", IMAGE, "sh", "-c", script]);
    let lines = s.ok(&["diff", "x"]);
    let lines: Vec<&str> = lines.lines().collect();
    let has = |line: &str| assert!(lines.contains(&line), "{line} in {lines:?}");
    for line in
        ["C /etc", "A /etc/added", "C /etc/passwd", "D /etc/group", "A /d", "A /d/e", "A /d/e/f"]
    {
        has(line);
    }
    // Nor what Bolt itself made for its mounts.
    let others = ["/gone", "/proc", "/sys", "/dev", "/etc/hosts"];
    assert!(!lines.iter().any(|l| others.contains(&&l[2..])), "{lines:?}");
    let paths: Vec<&str> = lines.iter().map(|l| &l[2..]).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    let json: serde_json::Value =
        serde_json::from_str(&s.ok(&["diff", "--format", "json", "x"])).unwrap();
    assert!(json["added"].as_array().unwrap().contains(&"/etc/added".into()), "{json}");
    assert_eq!(json["deleted"][0], lines.iter().find(|l| l.starts_with('D')).unwrap()[2..]);
    s.ok(&["rm", "x"]);
    s.ok(&["create", "--name", "x", IMAGE, "true"]);
    assert_eq!(s.ok(&["diff", "-l"]), "");
    s.ok(&["rm", "x"]);
}

/// docs/secrets.md: a mount point of a secret is none of the container's changes.
#[test]
fn diff_leaves_secrets_out() {
    let s = session!();
    s.file("value", "v");
    s.ok(&["secret", "create", "tv", &format!("{}/value", s.home().display())]);
    let secrets = ["tv", "tv,target=a/b", "tv,target=/opt/app/one", "tv,target=/opt/app/two"];
    let secrets = [&secrets[..], &["tv,target=/kept/token", "tv,target=/etc/token"]].concat();
    let flags: Vec<&str> = secrets.iter().flat_map(|secret| ["--secret", secret]).collect();
    let script = "cat /run/secrets/a/b /opt/app/two /etc/token; echo >/kept/mine";
    let run = ["run", "--name", "x", "--network", "none"];
    assert_eq!(s.ok(&[&run[..], &flags, &[IMAGE, "sh", "-c", script]].concat()), "vvv");
    assert_eq!(s.ok(&["diff", "x"]), "C /etc\nA /kept\nA /kept/mine");
    s.ok(&["rm", "x"]);
}

/// Over two layers, of which the upper hides a part of the lower.
#[test]
fn diff_of_a_directory_that_was_replaced() {
    let s = session!();
    let image = TestImage::new(&[]);
    image.add(|root| {
        std::fs::create_dir_all(root.join("home/deep")).unwrap();
        for name in ["a", "b", "deep/c"] {
            std::fs::write(root.join("home").join(name), name).unwrap();
        }
    });
    image.add(|root| {
        std::fs::create_dir(root.join("home")).unwrap();
        std::fs::write(root.join("home/.wh.a"), "").unwrap();
    });
    let id = s.pull(&image);
    let script = "busybox rm -r /home; busybox mkdir /home; busybox touch /home/a /home/b";
    let run = ["run", "--name", "x", "--network", "none", &id, "/bin/busybox", "sh", "-c", script];
    s.ok(&run);
    let lines = s.ok(&["diff", "x"]);
    let home: Vec<&str> = lines.lines().filter(|l| l[2..].starts_with("/home")).collect();
    assert_eq!(home, ["C /home", "A /home/a", "C /home/b", "D /home/deep"]);
    s.ok(&["rm", "x"]);
}

/// Path → (type, mode, uid, link target, content).
type Members = BTreeMap<String, (tar::EntryType, u32, u64, String, Vec<u8>)>;

fn members(archive: &[u8]) -> Members {
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let head = entry.header();
        let link = entry.link_name().unwrap().map(|l| l.to_string_lossy().into_owned());
        let path = entry.path().unwrap().to_string_lossy().trim_end_matches('/').to_owned();
        let fields = (head.entry_type(), head.mode().unwrap(), head.uid().unwrap());
        let old = found.insert(
            path.clone(),
            (fields.0, fields.1, fields.2, link.unwrap_or_default(), content),
        );
        assert!(old.is_none(), "{path} twice");
    }
    found
}

#[test]
fn export_of_a_running_and_of_a_stopped_container_is_the_same_tree() {
    let s = session!();
    let host = s.make_dir("host");
    std::fs::write(format!("{host}/secret"), "of the host").unwrap();
    let script = "echo hi >/f; chown player /f; chmod 4755 /f; ln /f /g; ln -s /etc /s; mkfifo /p; \
        mkdir -m 1777 /t; echo ready; exec sleep 1000";
    let volume = format!("{host}:/v");
    s.detached("x", &["-v", &volume], script);
    until("prepared", || s.ok(&["logs", "x"]) == "ready");
    let out = format!("{}/running.tar", s.home().display());
    s.ok(&["export", "-o", &out, "x"]);
    let running = std::fs::read(&out).unwrap();
    s.ok(&["stop", "-t", "0", "x"]);
    let mut child = s.bolt(&["export", "x"]).spawn().unwrap();
    let mut stopped = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stopped).unwrap();
    assert!(child.wait().unwrap().success());
    let (running, stopped) = (members(&running), members(&stopped));
    for archive in [&running, &stopped] {
        let uid = s.ok(&["run", "--rm", "--network", "none", IMAGE, "id", "-u", "player"]);
        let file = &archive["f"];
        assert_eq!(
            (file.0, file.1, file.2),
            (tar::EntryType::Regular, 0o4755, uid.parse().unwrap())
        );
        assert_eq!(file.4, b"hi\n");
        assert_eq!((archive["g"].0, archive["g"].3.as_str()), (tar::EntryType::Link, "f"));
        assert_eq!(archive["s"].3, "/etc");
        assert_eq!(archive["p"].0, tar::EntryType::Fifo);
        assert_eq!(archive["t"].1, 0o1777);
        assert!(!archive.contains_key("v/secret"), "a volume is not the container's root");
        assert!(!archive.keys().any(|k| k.starts_with("proc/") || k.starts_with("dev/")));
    }
    // What the mounts cover shows in both: empty files and directories.
    let names = |a: &Members| a.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&running), names(&stopped));
    s.ok(&["rm", "x"]);
}

#[test]
fn an_export_that_fails_leaves_no_file() {
    let s = session!();
    s.ok(&["create", "--name", "x", IMAGE, "true"]);
    let out = s.run(&["export", "-o", "/dev/null/x", "x"]);
    assert!(out.code == 125 && out.err.contains("/dev/null"), "{out:?}");
    assert_eq!(s.run(&["export", "-o", "x.tar", "nosuch"]).code, 125);
    assert!(
        std::fs::read_dir(s.home()).unwrap().all(|e| !e
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("x.tar"))
    );
    s.ok(&["rm", "x"]);
}

#[test]
fn an_export_goes_into_a_pipe_and_a_killed_one_leaves_nothing() {
    let s = session!();
    s.ok(&["create", "--name", "x", IMAGE, "true"]);
    let pipe = s.home().join("pipe");
    assert!(s.command("mkfifo").arg(&pipe).status().unwrap().success());
    let path = pipe.to_str().unwrap();
    // Nobody reads yet: it waits.
    let export = s.spawn(&["export", "-o", path, "x"]);
    let archive = std::fs::read(&pipe).unwrap();
    assert!(members(&archive).contains_key("bin/busybox"));
    assert_eq!(finish(export, Duration::from_secs(30), "export").code, 0);
    assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(), "it is there still");
    s.ok(&["export", "-o", "/dev/null", "x"]);

    s.ok(&["rm", "x"]);
    s.detached("big", &[], "dd if=/dev/zero of=/big bs=1M count=400 2>/dev/null; exec sleep 1000");
    let mut export = s.spawn(&["export", "-o", "big.tar", "big"]);
    std::thread::sleep(Duration::from_millis(40));
    export.kill().unwrap();
    export.wait().unwrap();
    let left = std::fs::read_dir(s.home()).unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("big.tar")).collect();
    assert!(left.is_empty() || left == ["big.tar"], "{left:?}");
}

/// podman 4.3.1: it uses nothing, and is no error.
fn stats_of_one_that_does_not_run(s: &Session) {
    let fields = "{{.CPUPerc}}|{{.MemUsage}}|{{.MemPerc}}|{{.NetIO}}|{{.BlockIO}}|{{.PIDS}}|{{.UpTime}}|\
                  {{.CPU}}|{{.AvgCPU}}|{{.MemUsageBytes}}|{{.CPUSystemNano}}|{{.SystemNano}}|{{.Duration}}|{{.PerCPU}}";
    let shown = s.ok(&["stats", "--no-stream", "--format", fields, "idle"]);
    assert_eq!(shown, "0.00%|0B / 0B|0.00%|0B / 0B|0B / 0B|0|0s|0|0|0B / 0B|0|0|0|[]");
}

fn stats_have_podmans_fields(s: &Session) {
    let one = |template: &str| s.ok(&["stats", "--no-stream", "--format", template, "busy"]);
    assert_eq!(one("{{.ContainerID}}"), s.inspect("busy", ".Id"));
    assert_eq!(one("{{.ID}}").len(), 12);
    // Numbers: a script compares them and gives them its own form.
    assert_eq!(
        one("{{gt .CPU 0.0}} {{lt 0.0 .AvgCPU}} {{ge .CPUNano .CPUSystemNano}}"),
        "true true true"
    );
    let form = one("{{printf \"%.1f\" .CPU}}");
    assert!(form.parse::<f64>().is_ok() && form.contains('.'), "{form}");
    assert_eq!(
        one("{{eq .Duration .CPUNano}} {{gt .SystemNano 1700000000000000000}}"),
        "true true"
    );
    let memory = one("{{.MemUsageBytes}}");
    assert!(memory.contains("iB / ") && memory.ends_with("iB"), "{memory}");
    assert_eq!(
        one(
            "{{range $name, $device := .Network}}{{$device.RxBytes}}{{end}}|{{le (len .PerCPU) 4096}}"
        ),
        "|true"
    );
}

/// podman clears the terminal for each look.
#[test]
fn stats_clear_the_terminal() {
    let s = session!();
    s.detached("x", &[], "exec sleep 1000");
    let mut t = Terminal::start(s.bolt(&["stats", "--interval", "1"]), 24, 132);
    for _ in 0..2 {
        t.expect("\u{1b}[2J\u{1b}[H");
        t.expect("CPU %");
        t.expect(" x ");
    }
    drop(t);
    // Nothing of that is written to what is no terminal, nor where it is not wanted.
    let out = s.run(&["stats", "--no-stream"]);
    assert!(!out.out.contains('\u{1b}') && !out.out.contains("\\x1b"), "{out:?}");
    let mut t = Terminal::start(s.bolt(&["stats", "--no-stream"]), 24, 132);
    t.expect("ID ");
    assert_eq!(t.end(), 0);
}

#[test]
fn stats_of_running_containers() {
    let s = session!();
    let spin = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; exec sleep 1000";
    s.detached("busy", &[], spin);
    until("it has worked", || s.ok(&["logs", "busy"]) == "done");
    s.ok(&["create", "--name", "idle", IMAGE, "true"]);
    let table = s.ok(&["stats", "--no-stream"]);
    let mut lines = table.lines();
    let heading = lines.next().unwrap();
    for column in
        ["ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET IO", "BLOCK IO", "PIDS"]
    {
        assert!(heading.contains(column), "{heading}");
    }
    assert!(lines.next().unwrap().contains("busy") && lines.next().is_none(), "{table}");
    let json = s.ok(&["stats", "--no-stream", "--format", "json", "busy"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let keys: Vec<&str> = json[0].as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = [
        "avg_cpu",
        "block_io",
        "cpu_percent",
        "cpu_time",
        "id",
        "mem_percent",
        "mem_usage",
        "name",
        "net_io",
        "pids",
    ];
    assert_eq!(keys, wanted);
    assert_eq!(json[0]["pids"], "1");
    assert_ne!(json[0]["cpu_time"], "0s", "{json}");
    assert!(!json[0]["mem_usage"].as_str().unwrap().starts_with("0B"), "{json}");
    let all = s.ok(&["stats", "--no-stream", "-a", "--format", "{{.Name}} {{.PIDS}} {{.CPUPerc}}"]);
    assert!(all.lines().any(|l| l == "idle 0 0.00%"), "{all}");
    stats_of_one_that_does_not_run(&s);
    stats_have_podmans_fields(&s);
    assert_eq!(s.run(&["stats", "--no-stream", "nosuch"]).code, 125);
    s.ok(&["rm", "-f", "-t", "0", "busy", "idle"]);
    assert_eq!(s.ok(&["stats", "--no-stream", "--format", "{{.Name}}"]), "");
}
