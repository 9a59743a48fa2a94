//! Health checks: by timer and by hand, what they show, what is done about a sick container.

use crate::harness::user::{IMAGE, Session, until};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

fn state(s: &Session) -> Value {
    serde_json::from_str(&s.inspect("x", "json .State.Health")).unwrap()
}

/// `x` was started anew once, is healthy then, and ends by a stop for good.
fn comes_up_the_second_time(s: &Session) {
    until("healthy", || status(s) == "healthy");
    until("both have run", || s.ok(&["logs", "x"]) == "run\nrun");
    assert_eq!(s.inspect("x", ".RestartCount"), "1");
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(s.inspect("x", ".State.Status"), "exited");
}

fn status(s: &Session) -> String {
    s.inspect("x", ".State.Health.Status")
}

#[test]
fn a_container_turns_healthy_sick_and_healthy_again() {
    let s = session!();
    let flags = ["--health-cmd", "cat /up", "--health-interval=50ms", "--health-retries=2"];
    s.detached("x", &flags, "echo fine >/up; exec sleep 1000");
    s.ok(&["wait", "--condition", "healthy", "x"]);
    let shown = || s.ok(&["ps", "--format", "{{.Status}}"]);
    assert!(shown().ends_with(" (healthy)"), "{}", shown());
    assert!(s.ok(&["ps"]).contains(" (healthy)"));
    assert_eq!(s.ok(&["healthcheck", "run", "x"]), "");
    let health = state(&s);
    let first = &health["Log"][0];
    assert_eq!((&first["ExitCode"], &first["Output"]), (&0.into(), &"fine\n".into()), "{health}");
    assert!(first["Start"].as_str().unwrap() < first["End"].as_str().unwrap());

    s.ok(&["exec", "x", "rm", "/up"]);
    s.ok(&["wait", "--condition", "unhealthy", "x"]);
    assert!(state(&s)["FailingStreak"].as_u64().unwrap() >= 2);
    assert_eq!(s.ok(&["ps", "--filter", "health=unhealthy", "--format", "{{.Names}}"]), "x");
    assert_eq!(s.ok(&["ps", "-q", "--filter", "health=healthy"]), "");
    let out = s.run(&["healthcheck", "run", "x"]);
    assert_eq!((out.code, out.out.as_str()), (1, "unhealthy\n"), "{out:?}");
    until("five checks are kept", || state(&s)["Log"].as_array().unwrap().len() == 5);

    s.ok(&["exec", "x", "touch", "/up"]);
    s.ok(&["wait", "--condition", "healthy", "x"]);
    assert_eq!(state(&s)["FailingStreak"], 0);
    let check: Value = serde_json::from_str(&s.inspect("x", "json .Config.Healthcheck")).unwrap();
    assert_eq!(check["Test"], serde_json::json!(["CMD-SHELL", "cat /up"]));
    assert_eq!((&check["Interval"], &check["Retries"]), (&50_000_000.into(), &2.into()));
    assert_eq!(s.inspect("x", ".Config.HealthcheckOnFailureAction"), "none");
    // A new run knows nothing of the last one.
    s.ok(&["stop", "-t", "0", "x"]);
    s.ok(&["start", "x"]);
    until("healthy", || status(&s) == "healthy");
}

#[test]
fn a_check_of_another_user_may_open_its_streams_anew() {
    let s = session!();
    let flags = ["-u", "1000", "--health-cmd", "echo seen >/dev/stdout", "--health-interval=50ms"];
    s.detached("x", &flags, "exec sleep 1000");
    s.ok(&["wait", "--condition", "healthy", "x"]);
    assert_eq!(state(&s)["Log"][0]["Output"], "seen\n");
}

/// A client that hangs up meanwhile changes nothing about a check that runs.
#[test]
fn a_check_outlives_clients_that_hang_up() {
    let s = session!();
    let flags = ["--health-cmd", "touch /began; sleep 1", "--health-interval=50ms"];
    s.detached("x", &flags, "exec sleep 1000");
    until("a check runs", || s.run(&["exec", "x", "test", "-e", "/began"]).code == 0);
    s.ok(&["exec", "x", "true"]);
    until("it is healthy", || status(&s) == "healthy");
    until("it is checked again", || state(&s)["Log"].as_array().unwrap().len() > 1);
}

#[test]
fn a_stop_stays_a_stop_though_the_last_check_fails() {
    let s = session!();
    let flags = [
        "--health-cmd=test ! -e /down || { sleep 1; exit 1; }",
        "--health-interval=50ms",
        "--health-retries=1",
        "--health-on-failure=restart",
    ];
    s.detached(
        "x",
        &flags,
        "trap 'touch /down; sleep 3; exit 0' TERM; while :; do sleep 0.1; done",
    );
    s.ok(&["wait", "--condition", "healthy", "x"]);
    s.ok(&["stop", "-t", "20", "x"]);
    assert_eq!(s.inspect("x", ".State.Status"), "exited");
    assert_eq!(s.inspect("x", ".RestartCount"), "0");
}

/// Its overlay has no journal (`volatile`), and was refused the second time: the container was gone.
#[test]
fn one_that_goes_when_it_ends_is_restarted_while_it_is_ill() {
    let s = session!();
    let flags = [
        "--rm",
        "--health-cmd=test ! -e /dev/shm/ill",
        "--health-interval=50ms",
        "--health-retries=1",
        "--health-on-failure=restart",
    ];
    s.detached("x", &flags, "echo a >>/runs; exec sleep 1000");
    s.ok(&["wait", "--condition", "healthy", "x"]);
    s.ok(&["exec", "x", "touch", "/dev/shm/ill"]);
    until("it is restarted", || s.run(&["exec", "x", "grep", "-c", "a", "/runs"]).out == "2\n");
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

#[test]
fn by_hand_alone_and_within_the_start_period() {
    let s = session!();
    let flags = ["--health-cmd", r#"["sh", "-c", "echo no; exit 3"]"#, "--health-interval=disable"];
    s.detached("x", &[&flags[..], &["--health-start-period=1h"]].concat(), "exec sleep 1000");
    assert_eq!(status(&s), "starting");
    for _ in 0..4 {
        let out = s.run(&["healthcheck", "run", "x"]);
        assert_eq!((out.code, out.out.as_str()), (1, "unhealthy\n"), "{out:?}");
    }
    let health = state(&s);
    assert_eq!((&health["Status"], &health["FailingStreak"]), (&"starting".into(), &0.into()));
    assert_eq!(health["Log"][3]["ExitCode"], 3);
    assert_eq!(health["Log"][3]["Output"], "no\n");
    s.detached("plain", &[], "exec sleep 1000");
    s.ok(&["create", "--name", "still", "--health-cmd", "true", IMAGE, "true"]);
    for (name, why) in [
        ("nosuch", "no container with name or ID"),
        ("plain", "has no defined healthcheck"),
        ("still", "is not running"),
    ] {
        let out = s.run(&["healthcheck", "run", name]);
        assert!(out.code == 125 && out.err.contains(why), "{name}: {out:?}");
    }
    let out = s.run(&["wait", "--condition", "healthy", "plain"]);
    assert!(out.code == 125 && out.err.contains("no defined healthcheck"), "{out:?}");
}

#[test]
fn a_check_that_hangs_is_ended_with_all_that_it_started() {
    let s = session!();
    let hangs = "echo begun; sleep 4321 & sleep 4321";
    let flags = ["--health-timeout=200ms", "--health-interval=100ms", "--health-retries=2"];
    s.detached("x", &[&["--health-cmd", hangs], &flags[..]].concat(), "exec sleep 1000");
    until("unhealthy", || status(&s) == "unhealthy");
    let log = state(&s)["Log"][0].clone();
    assert_eq!(log["ExitCode"], -1, "{log}");
    assert!(
        log["Output"].as_str().unwrap().starts_with("begun\nthe check was killed after 200 ms")
    );
    assert_eq!(s.run(&["healthcheck", "run", "x"]).code, 1);
    s.ok(&["exec", "x", "true"]);
    let left = s.ok(&["exec", "x", "sh", "-c", "ps | grep -c '[s]leep 4321' || true"]);
    assert!(left.parse::<u32>().unwrap() <= 2, "{left} sleep on");
    // One that writes without end neither hangs nor fills anything.
    let floods = ["--health-cmd", "yes | head -c 1000000", "--health-interval=1h"];
    s.detached("y", &floods, "exec sleep 1000");
    s.ok(&["wait", "--condition", "healthy", "y"]);
    let output = s.inspect("y", "(index .State.Health.Log 0).Output");
    assert_eq!(output.trim_end().lines().count(), 250);
}

#[test]
fn a_sick_container_is_killed_stopped_or_started_anew() {
    let s = session!();
    let flags = |action: &'static str| {
        [
            "--health-cmd=test ! -e /sick",
            "--health-interval=50ms",
            "--health-retries=1",
            "--health-on-failure",
            action,
        ]
    };
    let script = "trap 'exit 7' TERM; touch /sick; while :; do sleep 0.05; done";
    s.detached("killed", &flags("kill"), script);
    assert_eq!(s.ok(&["wait", "killed"]), "137");
    s.detached("stopped", &flags("stop"), script);
    assert_eq!(s.ok(&["wait", "stopped"]), "7");
    // Whatever the restart policy says. The second run is well from its first moment on, however
    // late its program comes to run.
    let anew = "echo run; test -e /was && exec sleep 1000; touch /was; \
        trap 'rm /sick; exit 7' TERM; touch /sick; while :; do sleep 0.05; done";
    s.detached("x", &flags("restart"), anew);
    until("started anew", || s.inspect("x", ".RestartCount") == "1");
    comes_up_the_second_time(&s);
}

#[test]
fn checks_end_with_their_container_and_leave_an_idle_supervisor_asleep() {
    let s = session!();
    let flags = ["--health-cmd", "sleep 5432", "--health-interval=10ms"];
    s.detached("x", &flags, "exec sleep 1000");
    until("it is checked", || s.ok(&["top", "x"]).contains("5432"));
    let asking = s.spawn(&["healthcheck", "run", "x"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    s.ok(&["stop", "-t", "0", "x"]);
    let patience = std::time::Duration::from_secs(10);
    let out = crate::harness::process::finish(asking, patience, "healthcheck run");
    assert!(matches!(out.code, 1 | 125), "{out:?}");
}

/// Keys, order and words of podman 4.3.1, recorded; it tells the status from before the check.
#[test]
fn each_check_is_an_event() {
    let s = session!();
    let flags = ["--health-cmd=test -e /up", "--health-interval=disable", "--health-retries=1"];
    s.detached("x", &flags, "exec sleep 1000");
    s.run(&["healthcheck", "run", "x"]);
    s.ok(&["exec", "x", "touch", "/up"]);
    s.ok(&["healthcheck", "run", "x"]);
    let told = |format: &[&str]| {
        let words = ["events", "--stream=false", "--filter", "event=health_status"];
        s.ok(&[&words[..], format].concat())
    };
    assert_eq!(told(&["--format", "{{.HealthStatus}}"]), "unhealthy\nhealthy");
    let json = told(&["--format", "json"]);
    let tail = r#""Type":"container","health_status":"healthy","Attributes":{}}"#;
    assert!(json.ends_with(tail), "{json}");
    assert!(told(&[]).ends_with("name=x, health_status=healthy)"));
}

/// Until the startup check has succeeded as often as it must the regular one is not run.
#[test]
fn a_startup_check_comes_before_the_regular_one() {
    let s = session!();
    let flags = [
        "--health-cmd=echo regular; test ! -e /sick",
        "--health-interval=50ms",
        "--health-retries=1",
        "--health-startup-cmd=echo startup; test -e /up",
        "--health-startup-interval=50ms",
        "--health-startup-success=2",
    ];
    s.detached("x", &flags, "touch /sick; exec sleep 1000");
    until("five startup checks", || state(&s)["Log"].as_array().is_some_and(|l| l.len() == 5));
    let health = state(&s);
    assert_eq!((&health["Status"], &health["FailingStreak"]), (&"starting".into(), &0.into()));
    assert!(health["Log"].as_array().unwrap().iter().all(|c| c["Output"] == "startup\n"));
    let out = s.run(&["healthcheck", "run", "x"]);
    assert_eq!((out.code, out.out.as_str()), (1, "starting\n"), "{out:?}");
    s.ok(&["exec", "x", "touch", "/up"]);
    s.ok(&["wait", "--condition", "unhealthy", "x"]);
    let log = state(&s)["Log"].clone();
    assert_eq!(log.as_array().unwrap().last().unwrap()["Output"], "regular\n", "{log}");
    let told = ["events", "--stream=false", "--filter", "event=health_status"];
    let told = s.ok(&[&told[..], &["--format", "{{.HealthStatus}}"]].concat());
    let mut words: Vec<&str> = told.lines().collect();
    words.dedup();
    assert_eq!(words[..3], ["starting", "healthy", "unhealthy"], "{told}");
    let check: Value =
        serde_json::from_str(&s.inspect("x", "json .Config.StartupHealthCheck")).unwrap();
    let want = serde_json::json!({
        "Test": ["CMD-SHELL", "echo startup; test -e /up"],
        "Interval": 50_000_000, "Timeout": 30_000_000_000u64, "Successes": 2,
    });
    assert_eq!(check, want);
    // A new run begins with it again.
    s.ok(&["exec", "x", "rm", "/up"]);
    s.ok(&["restart", "-t", "0", "x"]);
    until("it is checked", || state(&s)["Log"].is_array());
    assert_eq!(state(&s)["Log"][0]["Output"], "startup\n");
    assert_eq!(status(&s), "starting");
}

#[test]
fn a_container_that_never_comes_up_is_started_anew() {
    let s = session!();
    let flags = [
        "--health-cmd=true",
        "--health-interval=disable",
        "--health-startup-cmd=until test -e /ready; do sleep 0.05; done; test -e /up",
        "--health-startup-interval=50ms",
        "--health-startup-retries=2",
    ];
    // No policy says so.
    let script = "echo run; trap 'touch /up; exit 7' TERM; touch /ready; \
        while :; do sleep 0.05; done";
    s.detached("x", &flags, script);
    comes_up_the_second_time(&s);
}

/// By hand alone, and with the flags as a unit of `--new` repeats them.
#[test]
fn startup_checks_by_hand_and_in_a_unit() {
    let s = session!();
    let flags = [
        "--health-cmd=echo regular",
        "--health-interval=disable",
        "--health-startup-cmd",
        r#"["echo", "startup"]"#,
        "--health-startup-interval=disable",
        "--health-max-log-count=0",
    ];
    s.detached("x", &flags, "exec sleep 1000");
    assert_eq!(status(&s), "starting");
    for _ in 0..6 {
        assert_eq!(s.ok(&["healthcheck", "run", "x"]), "");
    }
    let log = state(&s)["Log"].clone();
    let said: Vec<&str> =
        log.as_array().unwrap().iter().map(|c| c["Output"].as_str().unwrap()).collect();
    assert_eq!(said, [&["startup\n"][..], &["regular\n"; 5]].concat());
    let unit = s.ok(&["generate", "systemd", "--new", "x"]);
    for word in
        ["--health-startup-cmd", "--health-startup-interval=disable", "--health-max-log-count=0"]
    {
        assert!(unit.contains(word), "{word}: {unit}");
    }
    let out = s.once(&["--health-startup-retries=2", "--health-cmd=true"], &["true"]);
    assert!(out.code == 125 && out.err.contains("--health-startup-cmd"), "{out:?}");
}

#[test]
fn as_much_of_checks_is_kept_as_was_asked_for() {
    let s = session!();
    let dir = s.make_dir("checks");
    let flags = [
        "--health-cmd=seq 1000",
        "--health-interval=disable",
        "--health-max-log-count=2",
        "--health-max-log-size=7",
    ];
    let to = format!("--health-log-destination={dir}");
    let id = s.detached("x", &[&flags[..], &[&to]].concat(), "exec sleep 1000");
    for _ in 0..3 {
        s.ok(&["healthcheck", "run", "x"]);
    }
    let log = state(&s)["Log"].clone();
    assert_eq!((log.as_array().unwrap().len(), &log[1]["Output"]), (2, &"1\n2\n3\n4".into()));
    let file = std::path::Path::new(&dir).join(format!("{id}-healthcheck.log"));
    let there: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((&there["Status"], there["Log"].as_array().unwrap().len()), (&"healthy".into(), 2));
    assert_eq!(there["Log"][1]["Output"], log[1]["Output"]);
    for (key, want) in [
        ("HealthLogDestination", dir.as_str()),
        ("HealthcheckMaxLogCount", "2"),
        ("HealthcheckMaxLogSize", "7"),
    ] {
        assert_eq!(s.inspect("x", &format!(".Config.{key}")), want);
    }
    let all = ["--health-max-log-size=0", "--health-log-destination=events_logger"];
    s.detached("y", &[&flags[..2], &all].concat(), "exec sleep 1000");
    s.ok(&["healthcheck", "run", "y"]);
    let told = ["events", "--stream=false", "--filter", "container=y", "--filter"];
    let check = s.ok(&[&told[..], &["event=health_status", "--format", "{{.HealthLog}}"]].concat());
    let check: Value = serde_json::from_str(&check).unwrap();
    assert!(check["Output"].as_str().unwrap().ends_with("\n999\n1000\n"), "{check}");
    let out = s.once(&["--health-cmd=true", "--health-log-destination=/nosuch"], &["true"]);
    assert!(out.code == 125 && out.err.contains("--health-log-destination"), "{out:?}");
}

#[test]
fn checks_that_cannot_be_told_elsewhere_are_denied_once() {
    let s = session!();
    let dir = s.make_dir("checks");
    let to = format!("--health-log-destination={dir}");
    let flags = ["--health-cmd=true", "--health-interval=disable", &to];
    let id = s.detached("x", &flags, "exec sleep 1000");
    let file = format!("{dir}/{id}-healthcheck.log");
    let denied = || s.inspect("x", "json .Denied");
    let before = denied();
    s.ok(&["healthcheck", "run", "x"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(denied(), before);
    // The directory is gone while it runs.
    std::fs::remove_dir_all(&dir).unwrap();
    s.ok(&["healthcheck", "run", "x"]);
    until("told", || denied().contains(&file));
    s.ok(&["healthcheck", "run", "x"]);
    assert_eq!(denied().matches(&file).count(), 1);
    // And is not there at a start.
    s.ok(&["stop", "-t", "0", "x"]);
    let out = s.run(&["start", "x"]);
    assert!(out.code == 0 && out.err.contains("denied: ") && out.err.contains(&file), "{out:?}");
    s.ok(&["healthcheck", "run", "x"]);
    assert_eq!(denied().matches(&file).count(), 1);
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}
