//! What a supervisor costs in memory: after 100 MB of log and 100 execs, and with a hundred of
//! them beside each other, also where the program is the user's own; against conmon.

mod runner;

use runner::images;
use runner::living::{Living, memory};
use runner::median;
use runner::parts::Parts;
use runner::peers::Podman;
use runner::people::Person;
use runner::report::Report;
use std::thread::sleep;
use std::time::Duration;

/// Memory that stays is what is there after this: a supervisor gives back what it can when
/// nothing has happened for a second.
const IDLE: Duration = Duration::from_millis(1500);

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("memory", &parts.bolt);
    let user = Person::new(&parts.dir, "user");
    let image = images::one_layer(&parts);
    let id = parts.pull(&user, &image.name);
    used(&parts, &mut report, &user, &id);
    hundred(&parts, &mut report, &user, &id, "");
    let owner = owner(&parts, &user);
    hundred(&parts, &mut report, &owner, &id, " started from the user's own program");
    conmon(&mut report, &user, &image.name);
    report.write();
}

/// One supervisor that has worked.
fn used(parts: &Parts, report: &mut Report, user: &Person, image: &str) {
    let script = "/probe fill 1048576; exec sleep 10000";
    let one = Living::with(parts, user, image, "log", &["sh", "-c", script]);
    let fresh = memory(one.supervisor);
    let logged = || std::fs::read_to_string(format!("/proc/{}/comm", one.init)).unwrap_or_default();
    while logged().trim() != "sleep" {
        sleep(Duration::from_millis(100));
    }
    for _ in 0..100 {
        runner::output(user.command(&parts.bolt).args(["exec", "log", "true"]));
    }
    sleep(IDLE);
    let (pss, dirty) = memory(one.supervisor);
    report.line("\none supervisor, KiB");
    report.note("proportional set at first", fresh.0 as f64);
    report.note("private dirty at first", fresh.1 as f64);
    report.note("private dirty after 100 MB of log and 100 execs", dirty as f64);
    report.limit("proportional set after 100 MB of log and 100 execs", pss as f64, 450.0);
}

/// The same user, to whom his own bolt-shim belongs: supervisors run from a copy of it.
fn owner(parts: &Parts, user: &Person) -> Person {
    let place = user.home.join("bolt-shim");
    let from = parts.bolt.with_file_name("bolt-shim");
    let words = [from.as_os_str(), place.as_os_str()];
    runner::output(user.command("cp").args(words));
    user.with("BOLT_SHIM", place.to_string_lossy())
}

fn hundred(parts: &Parts, report: &mut Report, user: &Person, image: &str, how: &str) {
    let all: Vec<Living> =
        (0..100).map(|n| Living::start(parts, user, image, &format!("m{n}"))).collect();
    sleep(IDLE);
    let (sets, dirty): (Vec<f64>, Vec<f64>) = all
        .iter()
        .map(|one| memory(one.supervisor))
        .map(|(pss, dirty)| (pss as f64, dirty as f64))
        .unzip();
    report.line(&format!("\neach of a hundred supervisors{how}, KiB, median"));
    report.limit("proportional set", median(&sets), 60.0);
    report.limit("private dirty", median(&dirty), 48.0);
}

fn conmon(report: &mut Report, user: &Person, image: &str) {
    let podman = Podman::new(user, image);
    let words = podman.command(&["run", "-d", "--name", "living", "--network", "none"]);
    let run = |words: &[String], more: &[&str]| {
        runner::output(user.command(&words[0]).args(&words[1..]).args(more))
    };
    run(&words, &[podman.image(), "/probe", "pause"]);
    let pid = run(&podman.command(&["inspect", "--format", "{{.State.ConmonPid}}", "living"]), &[]);
    let (pss, dirty) = memory(pid.parse().unwrap_or(0));
    report.line(&format!("\nconmon, KiB ({})", podman.about));
    report.note("proportional set", pss as f64);
    report.note("private dirty", dirty as f64);
    run(&podman.command(&["rm", "-f", "-t", "0", "living"]), &[]);
}
