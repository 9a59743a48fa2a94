//! `bolt events`. Keys and order are podman 4.3.1's, recorded with its file logger and crun.

use crate::harness::process::{finish, signal};
use crate::harness::user::{IMAGE, Session, until};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::time::Duration;

/// All events that pass, as objects.
fn all(s: &Session, flags: &[&str]) -> Vec<Value> {
    let mut words = vec!["events", "--stream=false", "--format", "json"];
    words.extend(flags);
    s.ok(&words).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn statuses(s: &Session, flags: &[&str]) -> Vec<String> {
    let mut words = vec!["events", "--stream=false", "--format", "{{.Status}}"];
    words.extend(flags);
    s.ok(&words).lines().map(str::to_owned).collect()
}

#[test]
fn the_life_of_a_container() {
    let s = session!();
    let run = ["run", "--rm", "--network", "none", "--name", "r", "-l", "z=1", IMAGE];
    let out = s.run(&[&run[..], &["sh", "-c", "exit 3"]].concat());
    assert_eq!(out.code, 3);
    let told = statuses(&s, &["--filter", "container=r"]);
    assert_eq!(told, ["create", "init", "start", "attach", "died", "remove"]);
    let events = all(&s, &["--filter", "container=r", "--filter", "event=died"]);
    let [died] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((&died["ContainerExitCode"], &died["OOMKilled"]), (&3.into(), &false.into()));
    let keys: Vec<_> = died.as_object().unwrap().keys().cloned().collect();
    let mut podman =
        ["ContainerExitCode", "ID", "Image", "Name", "Status", "Time", "Type", "Attributes"]
            .map(str::to_owned)
            .to_vec();
    podman.push("OOMKilled".to_owned());
    podman.sort();
    assert_eq!(keys, podman);
    assert_eq!(died["Attributes"]["z"], "1");
    assert_eq!(died["ID"].as_str().unwrap().len(), 64);

    s.detached("x", &[], "exec sleep 1000");
    s.ok(&["exec", "x", "true"]);
    s.ok(&["rename", "x", "y"]);
    s.ok(&["kill", "-s", "USR1", "y"]);
    s.ok(&["stop", "-t", "0", "y"]);
    s.ok(&["start", "y"]);
    s.ok(&["restart", "-t", "0", "y"]);
    let tar = s.home().join("y.tar");
    s.ok(&["export", "-o", tar.to_str().unwrap(), "y"]);
    s.ok(&["rm", "-f", "-t", "0", "y"]);
    let told = statuses(&s, &["--filter", "container=x"]);
    assert_eq!(told, ["create", "init", "start", "exec", "exec_died"]);
    let told = statuses(&s, &["--filter", "container=y"]);
    let begin = ["rename", "kill", "stop", "died", "cleanup", "init", "start"];
    let restart = ["restart", "died", "cleanup", "init", "start", "export"];
    assert_eq!(told, [&begin[..], &restart, &["died", "cleanup", "remove"]].concat());

    s.detached("z", &["--restart", "on-failure:1"], "exit 4");
    until("over", || s.inspect("z", ".State.Status") == "exited");
    let told = statuses(&s, &["--filter", "container=z"]);
    let runs = ["create", "init", "start", "died", "restart", "init", "start", "died", "cleanup"];
    assert_eq!(told, runs);
    let failed = s.run(&["run", "--name", "w", "--rm", "--network", "none", IMAGE, "nosuch"]);
    assert_eq!(failed.code, 127);
    assert_eq!(statuses(&s, &["--filter", "container=w"]), ["create", "remove"]);
}

#[test]
fn what_happens_to_images_volumes_and_the_system() {
    let s = session!();
    s.ok(&["tag", IMAGE, "localhost/t:1"]);
    s.ok(&["untag", IMAGE, "localhost/t:1"]);
    s.ok(&["volume", "create", "v"]);
    s.ok(&["volume", "rm", "v"]);
    s.script(&["-v", "w:/w"], "true");
    s.ok(&["volume", "prune", "-f"]);
    s.ok(&["rmi", IMAGE]);
    let told = |kind: &str| {
        let filter = format!("type={kind}");
        let format = "{{.Status}} {{.Name}}";
        let words = ["events", "--stream=false", "--filter", &filter, "--format", format];
        let out = s.run(&words);
        assert!(out.code == 0 && out.err.is_empty(), "{out:?}");
        out.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(told("volume"), ["create v", "remove v", "create w", "remove w", "prune w"]);
    let images = told("image");
    assert!(images[0].starts_with("pull oci:"), "{images:?}");
    let rest: Vec<_> = images[1..].iter().map(|l| l.split(' ').next().unwrap()).collect();
    assert_eq!(rest, ["tag", "untag", "untag", "remove"]);
    assert_eq!(told("system"), ["refresh "]);
    assert!(told("secret").is_empty());
}

#[test]
fn times_filters_and_formats() {
    let s = session!();
    s.ok(&["volume", "create", "a"]);
    let second = s.ok(&["volume", "create", "b"]);
    let events = all(&s, &["--filter", "type=volume"]);
    let time = events[1]["Time"].as_str().unwrap();
    let names = |flags: &[&str]| {
        all(&s, &[&["--filter", "type=volume"], flags].concat())
            .iter()
            .map(|e| e["Name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&["--since", time]), [second.as_str()]);
    assert_eq!(names(&["--until", time]), ["a", "b"]);
    // As podman 4.3.1: a span is ago for --since and ahead for --until, and a sign turns it round.
    assert_eq!(names(&["--until", "1h"]), ["a", "b"]);
    assert_eq!(names(&["--until", "-1h"]), [""; 0]);
    assert_eq!(names(&["--since", "-1h"]), [""; 0]);
    assert_eq!(names(&["--since", "1h", "--filter", "volume=a"]), ["a"]);
    // podman 5: the beginning of a volume's name is enough, and an event is a status too.
    let long = ["--filter", "volume=v", "--filter", "status=create"];
    s.ok(&["volume", "create", "vol-1"]);
    assert_eq!(names(&long), ["vol-1"]);
    // An end that has passed ends a stream.
    let out = s.run(&["events", "--until", time, "--filter", "volume=a"]);
    assert!(out.code == 0 && out.out.ends_with("volume create a\n"), "{out:?}");
    for (words, said) in [
        (&["events", "--since", "soon"][..], "soon"),
        (&["events", "--filter", "color=red"], "color"),
        (&["events", "--filter", "type=planet"], "planet"),
        (&["events", "--format", "{{.Nope}}", "--stream=false"], "Nope"),
        (&["events", "--format", "{{"], "template"),
    ] {
        let bad = s.run(words);
        assert!(bad.code == 125 && bad.err.contains(said) && bad.out.is_empty(), "{bad:?}");
    }
    let id = s.ok(&["create", "--name", "c", IMAGE, "true"]);
    let last = |flags: &[&str]| {
        let words = ["events", "--stream=false", "--filter", "container=c"];
        s.ok(&[&words[..], flags].concat())
    };
    assert!(last(&[]).contains(&format!("container create {id} (image=")));
    assert!(last(&["--no-trunc=false"]).contains(&format!("container create {} (", &id[..12])));
    let line = last(&["--format", "{{.Type}} {{.ID}} {{.Image}} {{.ContainerExitCode}} {{.Time}}"]);
    assert!(line.starts_with(&format!("container {id} ")) && line.contains(" 0 20"), "{line}");
}

/// podman 4.3.1: `events --until 2s` ends in two seconds, and tells what happens meanwhile.
#[test]
fn a_stream_ends_when_its_span_is_over() {
    let s = session!();
    let begin = std::time::Instant::now();
    let words = ["events", "--since", "1h", "--until", "2s", "--filter", "type=volume"];
    let stream = s.spawn(&[&words[..], &["--format", "{{.Name}}"]].concat());
    s.ok(&["volume", "create", "meanwhile"]);
    let out = finish(stream, Duration::from_secs(20), "events");
    assert!(out.code == 0 && out.out == "meanwhile\n", "{out:?}");
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn a_stream_tells_each_event_once() {
    let s = session!();
    s.ok(&["volume", "create", "before"]);
    let mut follower = s.spawn(&["events", "--format", "{{.Status}} {{.Name}}"]);
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // It watches before it says anything; the first event it tells is a new one.
    until("watching", || {
        let fds = format!("/proc/{}/fd", follower.id());
        let links = std::fs::read_dir(fds).unwrap().flatten();
        links
            .filter_map(|l| std::fs::read_link(l.path()).ok())
            .any(|l| l.to_string_lossy().contains("inotify"))
    });
    for n in 0..3 {
        s.ok(&["volume", "create", &format!("v{n}")]);
        assert_eq!(lines.next().unwrap().unwrap(), format!("create v{n}"));
    }
    signal(follower.id(), 15);
    assert_eq!(finish(follower, Duration::from_secs(10), "events").code, -15);
    // One whose reader went away ends, though nothing happens.
    let mut follower = s.spawn(&["events"]);
    drop(follower.stdout.take());
    assert_eq!(finish(follower, Duration::from_secs(10), "unread").code, 0);
}

#[test]
fn no_events_where_none_are_wanted() {
    let s = session!();
    let before = all(&s, &[]).len();
    let conf = s.file("containers.conf", "[engine]\nevents_logger = \"none\"\n");
    let run = ["run", "--rm", "--network", "none", IMAGE, "true"];
    for words in [&run[..], &["volume", "create", "v"], &["volume", "rm", "v"]] {
        let child = s.bolt(words).env("CONTAINERS_CONF", &conf).spawn().unwrap();
        let out = finish(child, Duration::from_secs(30), "none");
        assert_eq!(out.code, 0, "{out:?}");
    }
    // Nor is anything promised that would be one.
    let flags = ["run", "--health-cmd=true", "--health-log-destination=events_logger", IMAGE];
    let child = s.bolt(&flags).env("CONTAINERS_CONF", &conf).spawn().unwrap();
    let out = finish(child, Duration::from_secs(30), "none");
    assert!(out.code == 125 && out.err.contains("events are not kept here"), "{out:?}");
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    assert_eq!(all(&s, &[]).len(), before);
    s.ok(&["volume", "create", "v"]);
    assert_eq!(all(&s, &[]).len(), before + 1);
}

#[test]
fn checks_and_volumes_of_containers_are_told() {
    let s = session!();
    let flags = ["--rm", "-v", "/data", "--health-cmd", "test -e /well", "--health-interval=1h"];
    s.detached("x", &[&flags[..], &["--health-retries", "1"]].concat(), "exec sleep 1000");
    assert_eq!(s.run(&["healthcheck", "run", "x"]).code, 1);
    s.ok(&["exec", "x", "touch", "/well"]);
    s.ok(&["healthcheck", "run", "x"]);
    let checks = ["events", "--stream=false", "--filter", "event=health_status", "--format"];
    let told = s.ok(&[&checks[..], &["{{.HealthStatus}}"]].concat());
    // The first one may be its own, at the start.
    assert!(told.ends_with("unhealthy\nhealthy"), "{told}");
    let line = s.ok(&checks[..4]);
    assert!(line.ends_with(", name=x, health_status=healthy)"), "{line}");
    s.ok(&["stop", "-t", "0", "x"]);
    let volumes = || statuses(&s, &["--filter", "type=volume"]);
    until("the volume's end is told", || volumes() == ["create", "remove"]);
    s.ok(&["create", "--name", "y", "-v", "/data", "--network", "none", IMAGE, "true"]);
    s.ok(&["rm", "-v", "y"]);
    assert_eq!(volumes(), ["create", "remove", "create", "remove"]);
}

#[test]
fn a_pipe_in_place_of_the_log_holds_nobody_up() {
    let s = session!();
    s.ok(&["volume", "create", "first"]);
    let log = s.data().join("events/log");
    std::fs::remove_file(&log).unwrap();
    assert!(s.command("mkfifo").arg(&log).status().unwrap().success());
    for args in [
        &["run", "--rm", "--network", "none", IMAGE, "true"][..],
        &["volume", "create", "second"],
        &["events", "--stream=false"],
    ] {
        let out = finish(s.spawn(args), Duration::from_secs(30), "a verb");
        assert_eq!(out.code, 0, "{out:?}");
    }
}

/// A full log is moved away once, whoever of many finds it full.
#[test]
fn a_full_log_is_moved_away_once() {
    let s = session!();
    s.ok(&["volume", "create", "first"]);
    let log = s.data().join("events/log");
    let filler = format!("{{\"Type\":\"volume\",\"Name\":\"{}\"}}\n", "f".repeat(5 << 20));
    for round in 0..3 {
        let full = format!(
            "{filler}{{\"Type\":\"system\",\"Status\":\"round{round}\",\"Time\":\"2026-01-01T00:00:00Z\"}}\n"
        );
        std::fs::write(&log, full).unwrap();
        let writers: Vec<_> = (0..6)
            .map(|n| {
                let run = ["run", "--rm", "--network", "none", IMAGE, "true"];
                let name = format!("v{round}-{n}");
                let create = ["volume", "create", &name];
                s.spawn(if n % 2 == 0 { &run[..] } else { &create })
            })
            .collect();
        for writer in writers {
            assert_eq!(finish(writer, Duration::from_secs(30), "a writer").code, 0);
        }
        until("all is told", || {
            statuses(&s, &["--filter", "type=container", "--filter", "event=remove"]).len() == 3
        });
        let told = statuses(&s, &["--filter", "type=system"]);
        assert!(told.contains(&format!("round{round}")), "{told:?}");
        let names = s.ok(&[
            "events",
            "--stream=false",
            "--filter",
            "type=volume",
            "--filter",
            "event=create",
            "--format",
            "{{.Name}}",
        ]);
        for n in [1, 3, 5] {
            assert!(names.lines().any(|name| name == format!("v{round}-{n}")), "{names}");
        }
    }
}
