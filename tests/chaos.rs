//! Programs killed at any instant, and disks that fill up: whatever happens, what is on disk stays
//! whole and nothing runs on that nobody knows of.
//!
//! `BOLT_CHAOS=100` makes a hundred rounds of each instead of a few.

use crate::harness::image::{TestImage, noise};
use crate::harness::process::{Out, belonging_to, lives, signal, wait};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{self, Registry};
use crate::harness::user::{IMAGE, Session, User, until};
use crate::harness::{Scratch, run};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn rounds(few: u32, many: u32) -> u32 {
    match std::env::var("BOLT_CHAOS") {
        Ok(text) if text.parse().is_ok_and(|n: u32| n >= 100) => many,
        _ => few,
    }
}

/// The n-th instant: spread evenly, never the same twice (golden ratio).
fn instant(n: u32, longest: Duration) -> Duration {
    longest.mul_f64((f64::from(n) * 0.618_033_988_749).fract())
}

/// Kills only the program itself; what it has started goes on or ends by its own.
fn killed_after(s: &Session, args: &[&str], after: Duration) {
    let mut child = s.bolt(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let _ = child.kill();
    child.wait().unwrap();
}

/// Lists work, the store is whole.
fn assert_whole(s: &Session, when: &str) {
    let ps = s.run(&["ps", "-a"]);
    assert_eq!(ps.code, 0, "{when}: {ps:?}");
    // What killed programs left half done may lie there, nothing else; mended it is gone.
    let check: Out = s.run(&["system", "check"]);
    let half_done = ["note: ", " left over ", " broken off"];
    let left_over = check.out.lines().all(|l| half_done.iter().any(|words| l.contains(words)));
    assert!(matches!(check.code, 0 | 1) && left_over, "{when}: {check:?}");
    if check.code == 1 {
        s.ok(&["system", "check", "--repair"]);
        s.ok(&["system", "check"]);
    }
}

/// How long one undisturbed command takes.
fn time(s: &Session, args: &[&str]) -> Duration {
    let start = Instant::now();
    s.ok(args);
    start.elapsed()
}

/// As a person means it who kills the command: it does not go on alone. What has come is kept.
#[test]
fn a_killed_run_takes_its_pull_along() {
    let s = session!();
    let registry = Registry::start(registry::Options::default());
    let image = TestImage::new(&[3_000_000]);
    registry.push(&image, "box:1");
    let digest = image.layers()[1].0.clone();
    let stalls = Arc::new(AtomicBool::new(true));
    let stalls_too = stalls.clone();
    let proxy = Proxy::start(registry.address(), move |request, _| {
        let big = request.method == "GET" && request.path.ends_with(&digest);
        if big && stalls_too.load(Ordering::Relaxed) {
            Fault::Stall(2_000_000)
        } else {
            Fault::Pass
        }
    });
    let name = format!("{}/box:1", proxy.host());
    let digest = &image.layers()[1].0;
    let asked = || proxy.requests().iter().filter(|r| r.path.ends_with(digest)).count();
    for signo in [9, 15] {
        let args = ["run", "--rm", "--network", "none", "--tls-verify=false", &name, "true"];
        let before = asked();
        let mut child = s.bolt(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the layer is asked for", || asked() > before);
        std::thread::sleep(Duration::from_millis(300));
        signal(child.id(), signo);
        child.wait().unwrap();
        // Its pull too.
        s.assert_quiet();
    }
    stalls.store(false, Ordering::Relaxed);
    s.ok(&["pull", "-q", "--tls-verify=false", &name]);
    let last = proxy.requests().into_iter().rfind(|r| r.path.ends_with(digest)).unwrap();
    assert!(last.headers.contains_key("range"), "{last:?}");
}

/// Each download goes on at the very byte where the one before it was killed.
#[test]
fn downloads_that_are_killed() {
    let s = session!();
    let registry = Registry::start(registry::Options::default());
    let image = TestImage::new(&[3_000_000]);
    registry.push(&image, "box:1");
    let digest = image.layers()[1].0.clone();
    // A second and a half for all of it.
    let proxy = Proxy::start(registry.address(), |_, _| Fault::Slow(2_000_000));
    let pull = ["pull", "-q", "--tls-verify=false", &format!("{}/box:1", proxy.host())];
    let hex = digest.trim_start_matches("sha256:");
    let part = s.data().join(format!("store/blobs/sha256/{}/{hex}.part", &hex[..2]));
    let ranges = || {
        let asked = proxy.requests().into_iter();
        let asked = asked.filter(|r| r.method == "GET" && r.path.ends_with(&digest));
        asked.map(|request| request.headers.get("range").cloned()).collect::<Vec<_>>()
    };
    let mut resumed = 0;
    for n in 0..rounds(12, 100) {
        let kept = std::fs::metadata(&part).map_or(0, |meta| meta.len());
        let before = ranges().len();
        killed_after(&s, &pull, instant(n, Duration::from_millis(1500)));
        s.assert_quiet();
        if let Some(range) = ranges().get(before) {
            let wanted = (kept > 0).then(|| format!("bytes={kept}-"));
            assert_eq!(*range, wanted, "round {n}");
            resumed += u32::from(kept > 0);
        }
        assert_whole_but_kept(&s, &part, n);
        if s.run(&["image", "exists", &format!("{}/box:1", proxy.host())]).code == 0 {
            s.ok(&["rmi", "-f", &format!("{}/box:1", proxy.host())]);
        }
    }
    assert!(resumed > 2, "{resumed}");
    let id = s.ok(&pull);
    s.ok(&["run", "--rm", "--network", "none", &id, "/bin/busybox", "true"]);
    assert_whole(&s, "at the end");
}

/// The store is whole, and looking at it takes nothing away from a download that broke off.
fn assert_whole_but_kept(s: &Session, part: &std::path::Path, round: u32) {
    let size = || std::fs::metadata(part).map_or(0, |meta| meta.len());
    let before = size();
    let check = s.run(&["system", "check"]);
    assert!(check.code == 0 || check.out.contains("left over"), "round {round}: {check:?}");
    assert_eq!(size(), before, "round {round}");
}

#[test]
fn pulls_that_are_killed() {
    let s = session!();
    let image = TestImage::new(&[3_000_000, 2_000_000]);
    let id = s.pull(&image);
    let source = image.source();
    s.ok(&["rmi", "-f", &id]);
    let whole = time(&s, &["pull", "-q", &source]);
    for n in 0..rounds(25, 100) {
        s.run(&["rmi", "-f", &id]);
        killed_after(&s, &["pull", "-q", &source], instant(n, whole));
        if n % 5 == 0 {
            assert_whole(&s, &format!("round {n}"));
        }
    }
    assert_whole(&s, "at the end");
    assert_eq!(s.pull(&image), id);
    let args = [
        "run",
        "--rm",
        "--network",
        "none",
        &id,
        "/bin/busybox",
        "sha256sum",
        "/data/0",
        "/data/1",
    ];
    let sums = s.ok(&args);
    for (n, len) in [3_000_000, 2_000_000].into_iter().enumerate() {
        let file = s.file("layer", noise(n as u64 + 77, len));
        let want = run("sha256sum", &[&file]);
        assert!(sums.contains(want.split(' ').next().unwrap()), "{sums}");
    }
    s.assert_quiet();
}

#[test]
fn containers_that_are_killed_with_their_launcher() {
    let s = session!();
    let start =
        ["run", "-d", "--network", "none", "--name", "x", "-v", "vol:/v", IMAGE, "sleep", "1000"];
    let whole = time(&s, &start);
    let stop = time(&s, &["rm", "-f", "-t", "0", "x"]);
    for n in 0..rounds(25, 100) {
        killed_after(&s, &start, instant(n, whole * 2));
        let verb: &[&str] = match n % 3 {
            0 => &["stop", "-t", "0", "x"],
            1 => &["rm", "-f", "-t", "0", "x"],
            _ => &["restart", "-t", "0", "x"],
        };
        killed_after(&s, verb, instant(n * 7 + 3, stop * 2));
        until("removed", || s.run(&["rm", "-f", "-a", "-t", "0"]).code == 0);
        assert_eq!(s.ok(&["ps", "-aq"]), "", "round {n}");
        assert_whole(&s, &format!("round {n}"));
        assert_nothing_lives(&s, n);
    }
}

/// The Ctrl-C of a terminal goes to the whole process group: a supervisor that were still in it
/// would die before it can clean up.
#[test]
fn launchers_that_are_interrupted() {
    let s = session!();
    let run = ["run", "--rm", "--network", "none", "--name", "x", IMAGE, "sh", "-c", "trap : 2"];
    let whole = time(&s, &run);
    for n in 0..rounds(25, 100) {
        let mut command = s.bolt(&run);
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap();
        std::thread::sleep(instant(n, whole * 2));
        let group = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::INT);
        wait(&mut child, Duration::from_secs(10), "an interrupted launcher");
        assert_nothing_lives(&s, n);
        assert_eq!(s.ok(&["ps", "-aq"]), "", "round {n}");
    }
    assert_whole(&s, "at the end");
}

#[test]
fn supervisors_that_are_killed() {
    let s = session!();
    for n in 0..rounds(25, 100) {
        let name = format!("x{n}");
        let mut child = s
            .bolt(&[
                "run",
                "--network",
                "none",
                "--name",
                &name,
                IMAGE,
                "su",
                "player",
                "-c",
                "sleep 1000",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(instant(n, Duration::from_millis(60)));
        // Every process of ours at once, but in no order: bolt, M, I.
        for pid in shims(&s, child.id()) {
            if lives(pid) {
                signal(pid, 9);
            }
        }
        std::thread::sleep(instant(n * 3, Duration::from_millis(10)));
        if n % 2 == 0 {
            let _ = child.kill();
        }
        wait_or_kill(&mut child);
        until("removed", || s.run(&["rm", "-f", "-a", "-t", "0"]).code == 0);
        assert_eq!(s.ok(&["ps", "-aq"]), "", "round {n}");
        assert_nothing_lives(&s, n);
    }
    assert_whole(&s, "at the end");
}

/// Supervisors below a launcher.
fn shims(s: &Session, launcher: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children"));
    let mut found: Vec<u32> = children
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    for entry in std::fs::read_dir(s.data().join("containers")).into_iter().flatten().flatten() {
        let state = std::fs::read(entry.path().join("state.json")).unwrap_or_default();
        let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
        if let Some(pid) = state["monitor"].as_u64().filter(|pid| *pid > 0) {
            found.push(pid as u32);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn wait_or_kill(child: &mut std::process::Child) {
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    wait(child, Duration::from_secs(5), "a killed launcher");
}

fn assert_nothing_lives(s: &Session, round: u32) {
    let text = s.dir().to_str().unwrap().to_owned();
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let left = belonging_to(&text);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "round {round} left {left:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The disk is a tmpfs in a mount namespace of its own, which root makes for a script that runs
/// all commands of the round.
#[test]
fn disks_that_are_full() {
    let user = match User::find() {
        Ok(user) => user,
        Err(reason) => skip!(reason),
    };
    if !rustix::process::geteuid().is_root() {
        skip!("only root can give a user a small disk");
    }
    let s = session!();
    let image = TestImage::new(&[2_000_000]);
    let source = image.source();
    run("chmod", &["-R", "a+rX", image.layout().to_str().unwrap()]);
    for n in 0..rounds(5, 20) {
        let disk = Scratch::new();
        std::fs::set_permissions(disk.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let kilobytes = 700 + n * 1900 / rounds(5, 20) * 3;
        let script = format!(
            r#"set -u
mount -t tmpfs -o size={kilobytes}k,uid={uid},gid={gid},mode=755 none "$DISK"
bolt() {{ setpriv --reuid {uid} --regid {gid} --clear-groups "$BOLT" "$@"; }}
bolt pull -q "$SOURCE" >"$DISK.pull" 2>&1; pull=$?
bolt run --network none --name x --rm "$SOURCE" /bin/busybox dd if=/dev/zero of=/big bs=64k >"$DISK.run" 2>&1; run=$?
bolt run -d --network none --name y "$SOURCE" /bin/busybox yes >"$DISK.log" 2>&1
sleep 0.2
bolt ps -a || exit 90
bolt rm -f -a -t 0 || exit 91
[ -z "$(bolt ps -aq)" ] || exit 92
bolt system check || exit 93
bolt rmi -f -a || exit 94
# With room again everything works.
mount -o remount,size=64m "$DISK"
bolt run --rm --network none "$SOURCE" /bin/busybox echo works || exit 95
echo "pull $pull run $run"
"#,
            uid = user.uid,
            gid = user.gid,
        );
        let mut command = std::process::Command::new("unshare");
        command
            .args(["-m", "sh", "-c", &script])
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", s.home())
            .env("XDG_DATA_HOME", disk.path())
            .env("XDG_RUNTIME_DIR", s.runtime())
            .env("DISK", disk.path())
            .env("BOLT", s.program())
            .env("SOURCE", &source)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let out = crate::harness::process::finish(
            command.spawn().unwrap(),
            Duration::from_secs(60),
            "a full disk",
        );
        let said = |name: &str| {
            let path = format!("{}.{name}", disk.path().display());
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let _ = std::fs::remove_file(path);
            text
        };
        let (pull, ran, log) = (said("pull"), said("run"), said("log"));
        assert!(
            out.code == 0 && out.out.contains("works"),
            "{kilobytes} KiB: {out:?}\npull: {pull}\nrun: {ran}\nlog: {log}"
        );
        // Who ran out of room is told so.
        for text in [pull, ran] {
            assert!(
                text.to_lowercase().contains("no space") || !text.contains("bolt:"),
                "{kilobytes} KiB: {text}"
            );
        }
        let text = disk.path().to_str().unwrap();
        until("nothing is left", || belonging_to(text).is_empty());
    }
}
