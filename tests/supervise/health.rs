//! Health checks: by timer and by hand, what they show, what is done about a sick container.

use crate::harness::user::{IMAGE, Session, until};
use serde_json::Value;

fn state(s: &Session) -> Value {
    serde_json::from_str(&s.inspect("x", "json .State.Health")).unwrap()
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
    until("healthy", || status(&s) == "healthy");
    until("both have run", || s.ok(&["logs", "x"]) == "run\nrun");
    assert_eq!(s.inspect("x", ".RestartCount"), "1");
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(s.inspect("x", ".State.Status"), "exited");
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
