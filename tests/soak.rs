//! Many short lives at once, with SIGKILL thrown at `bolt` and at supervisors: in the end everything
//! is as it was in the beginning, and nobody who was well has been lost.
//!
//! `BOLT_SOAK=1000` makes a thousand lives instead of forty.

use crate::harness::process::{lives, wait};
use crate::harness::user::{IMAGE, Session, sockets, until};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Lives at once.
const AT_ONCE: u32 = 8;
/// One in so many commands is killed on the way.
const UNLUCKY: u64 = 6;
/// Containers that live through it all, watched by a check of their own.
const STEADY: [&str; 2] = ["steady-0", "steady-1"];

/// Numbers that look drawn, and can be drawn again: xorshift64 (Marsaglia).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What a killed command left undone is no failure; anything else is.
struct Round<'a> {
    s: &'a Session,
    dice: Dice,
    name: String,
    killed: bool,
    thrown: &'a AtomicU32,
}

impl Round<'_> {
    /// A command that may be killed on the way. True: it did what it says.
    fn run(&mut self, words: &[&str]) -> bool {
        if self.dice.below(UNLUCKY) > 0 {
            let out = self.s.run(words);
            assert!(out.code == 0 || self.killed, "{}: {words:?}: {out:?}", self.name);
            return out.code == 0;
        }
        let mut command = self.s.bolt(words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(self.dice.below(60_000)));
        self.killed = true;
        self.thrown.fetch_add(1, Ordering::Relaxed);
        let _ = child.kill();
        wait(&mut child, Duration::from_secs(60), &self.name);
        // What it started may be on its way still.
        false
    }

    /// Kills the supervisor, if it is there.
    fn orphan(&mut self) {
        if self.dice.below(UNLUCKY) > 0 {
            return;
        }
        let out = self.s.run(&["inspect", "--format", "{{.State.ConmonPid}}", &self.name]);
        if let Ok(pid) = out.out.trim().parse::<i32>()
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            self.killed = true;
            self.thrown.fetch_add(1, Ordering::Relaxed);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// create, start, exec, health check, stop, rm.
    fn live(&mut self) {
        let name = self.name.clone();
        let health = ["--health-cmd", "test -e /well", "--health-interval", "200ms"];
        let create = ["create", "--network", "none", "--name", &name, "-v", "/data"];
        let payload =
            [IMAGE, "sh", "-c", "trap 'exit 0' TERM; touch /well; while :; do sleep 0.05; done"];
        self.run(&[&create[..], &health, &payload].concat());
        self.run(&["start", &name]);
        self.run(&["exec", &name, "sh", "-c", "echo $$ >>/data/pids"]);
        self.orphan();
        let check = self.s.run(&["healthcheck", "run", &name]);
        // The check may come before the payload's first command: then it says no, and no more.
        assert!(matches!(check.code, 0 | 1) || self.killed, "{name}: {check:?}");
        self.run(&["stop", "-t", "1", &name]);
        self.run(&["rm", "-v", &name]);
        if self.killed {
            let remove = ["rm", "-f", "-v", "-t", "0", &name];
            until("removed", || self.s.run(&remove).code == 0);
        }
        let left = self.s.run(&["container", "exists", &name]);
        assert_eq!(left.code, 1, "{name}: {left:?}");
    }
}

/// What a session uses of the machine, in numbers and names that can be compared.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    files: Vec<String>,
    sockets: Vec<std::path::PathBuf>,
    mounts: usize,
    groups: usize,
    /// Of each steady container: descriptors and timers of its supervisor.
    supervisors: BTreeMap<String, (usize, usize)>,
}

impl Used {
    fn now(s: &Session) -> Used {
        let containers = crate::harness::run(
            "find",
            &[
                s.data().join("containers").to_str().unwrap(),
                "-maxdepth",
                "2",
                "-not",
                "-name",
                "*.tmp",
            ],
        );
        let volumes = s.data().join("volumes");
        let volumes = crate::harness::run("find", &[volumes.to_str().unwrap(), "-maxdepth", "1"]);
        let mut files: Vec<_> =
            containers.lines().chain(volumes.lines()).map(str::to_owned).collect();
        files.extend(names(&s.runtime()));
        files.sort();
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mut supervisors = BTreeMap::new();
        for name in STEADY {
            let (monitor, _) = s.pids(&s.inspect(name, ".Id"));
            let count = |dir: &str| names(Path::new(&format!("/proc/{monitor}/{dir}"))).len();
            let timers = std::fs::read_to_string(format!("/proc/{monitor}/timers"));
            let timers = timers.unwrap_or_default().matches("ID:").count();
            supervisors.insert(name.to_owned(), (count("fd"), timers));
        }
        Used {
            files,
            sockets: sockets(s.dir()),
            mounts: mountinfo.lines().filter(|l| l.contains(s.dir().to_str().unwrap())).count(),
            groups: groups(s),
            supervisors,
        }
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Control groups of this session's containers that are there.
fn groups(s: &Session) -> usize {
    let ids = s.ok(&["ps", "-aq", "--no-trunc"]);
    ids.lines().filter(|id| Path::new(&s.inspect(id, ".State.CgroupPath")).is_dir()).count()
}

#[test]
fn lives_without_end() {
    let s = session!();
    let lives_wanted = std::env::var("BOLT_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let health = ["--health-cmd", "true", "--health-interval", "1s", "--health-retries", "5"];
    let steady: Vec<_> =
        STEADY.iter().map(|name| s.detached(name, &health, "exec sleep 100000")).collect();
    let healthy = |name: &str| s.inspect(name, ".State.Health.Status") == "healthy";
    until("healthy", || STEADY.iter().all(|name| healthy(name)));
    let pids: Vec<_> = steady.iter().map(|id| s.pids(id)).collect();
    let (next, thrown, broken) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    // What is made once and stays is made first.
    let mut first =
        Round { s: &s, dice: Dice(1), name: "first".into(), killed: true, thrown: &thrown };
    first.live();
    let before = Used::now(&s);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                struct Tell<'a>(&'a AtomicBool);
                impl Drop for Tell<'_> {
                    fn drop(&mut self) {
                        self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
                    }
                }
                let _tell = Tell(&broken);
                // The others end with the one that failed.
                while !broken.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= lives_wanted {
                        return;
                    }
                    let dice = Dice(u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
                    let name = format!("life-{n}");
                    Round { s: &s, dice, name, killed: false, thrown: &thrown }.live();
                }
            });
        }
    });
    println!(
        "{lives_wanted} lives in {:.0} s, {} kills",
        begin.elapsed().as_secs_f64(),
        thrown.load(Ordering::Relaxed)
    );
    // Killed commands leave what the next one sweeps up, some of it after a minute: it might still
    // be in the making.
    let old =
        "find containers volumes -maxdepth 1 -name '.new-*' -exec touch -d '10 minutes ago' {} +";
    crate::harness::run("sh", &["-c", &format!("cd {} && {old}", s.data().display())]);
    let check = s.run(&["system", "check"]);
    if check.code != 0 {
        s.ok(&["system", "check", "--repair"]);
    }
    s.ok(&["system", "check"]);
    s.ok(&["container", "prune", "-f"]);
    s.ok(&["volume", "prune", "-f"]);
    for ((id, name), pids) in steady.iter().zip(STEADY).zip(&pids) {
        assert_eq!(s.pids(id), *pids, "{name} is the same");
        assert!(lives(pids.0 as u32) && lives(pids.1 as u32), "{name} lives");
        until("it is healthy still", || healthy(name));
        assert_eq!(s.inspect(name, ".RestartCount"), "0");
    }
    let end = Instant::now() + Duration::from_secs(15);
    loop {
        let after = Used::now(&s);
        if after == before {
            break;
        }
        assert!(Instant::now() < end, "before {before:#?}\nafter {after:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(s.ok(&["ps", "-aq"]).lines().count(), STEADY.len());
}
