//! What `bolt game wrap` adds to a start of `true`, with every setting that this machine allows: a
//! game's start must not be felt.

mod runner;

use runner::meter::{Case, Meter, interleave};
use runner::parts::Parts;
use runner::people::Person;
use runner::report::Report;
use runner::{fail, quantile};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Every setting; the report of one run tells which of them this machine allows.
const ALL: [(&str, Option<&str>); 9] = [
    ("--affinity", Some("0")),
    ("--nice", Some("1")),
    ("--ionice", Some("best-effort:0")),
    ("--cpu-weight", Some("200")),
    ("--memory-low", Some("64m")),
    ("--env", Some("A=1")),
    ("--gamemode", None),
    ("--mangohud", None),
    ("--gamescope", Some("-f")),
];

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("wrap", &parts.bolt);
    let user = Person::new(&parts.dir, "user");
    let desktop = Desktop::start(&parts.dir, &user);
    let user = user.with("DBUS_SESSION_BUS_ADDRESS", desktop.bus.clone());
    let bare = parts.command(&["game", "wrap", "--", "true"]);
    let allowed = allowed(&parts, &user, &mut report);
    let own: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let alone: Vec<&str> = own.iter().copied().filter(|word| *word != "--gamemode").collect();
    let wrapped =
        |options: &[&str]| parts.command(&[&["game", "wrap"], options, &["--", "true"]].concat());
    let mut cases = [
        case("true", &["true".to_owned()]),
        case("bolt game wrap, no setting", &bare),
        case("bolt game wrap, all that needs no daemon", &wrapped(&alone)),
        case("bolt game wrap, all that this machine allows", &wrapped(&own)),
    ];
    let mut meters = [Meter::start(&user, &parts.measure, &parts.dir)];
    interleave(&mut meters, &mut cases, runner::rounds(50));
    report.table("a start of true", &cases);
    let [plain, none, local, all] = &cases;
    report.note("added without a setting, ms", none.wall() - plain.wall());
    report.note("added without GameMode, ms", local.wall() - plain.wall());
    let walls: Vec<f64> = all.costs.iter().map(|cost| cost.wall).collect();
    report.note("added by all, 9 of 10 are below, ms", quantile(&walls, 0.9) - plain.wall());
    report.limit("added by all, ms, median", all.wall() - plain.wall(), 5.0);
    report.write();
}

fn case(name: &str, words: &[String]) -> Case {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Case::new(name, 0, &words)
}

/// The options that are applied here, as words; the report says which are not.
fn allowed(parts: &Parts, user: &Person, report: &mut Report) -> Vec<String> {
    let file = user.home.join("report.json");
    let mut command = user.command(&parts.bolt);
    command.args(["game", "wrap", "--report"]).arg(&file);
    for (flag, value) in ALL {
        command.arg(flag).args(value);
    }
    // Whatever gamescope does without a display, the report is written before.
    let _ = command.args(["--", "true"]).output();
    let bytes = std::fs::read(&file).unwrap_or_else(|e| fail(format_args!("no report: {e}")));
    let json: serde_json::Value =
        serde_json::from_slice(&bytes).unwrap_or_else(|e| fail(format_args!("the report: {e}")));
    let mut words = Vec::new();
    for (number, (flag, value)) in ALL.iter().enumerate() {
        let settled = &json["settings"][number];
        // A real gamescope would be measured, not Bolt.
        if settled["state"] == "applied" && *flag != "--gamescope" {
            words.push((*flag).to_owned());
            words.extend(value.map(str::to_owned));
        } else {
            report.line(&format!("  not here: {flag}: {} {}", settled["state"], settled["why"]));
        }
    }
    words
}

/// A session bus with gamemoded, where they are installed.
struct Desktop {
    bus: String,
    programs: Vec<Child>,
}

impl Desktop {
    fn start(dir: &Path, user: &Person) -> Desktop {
        let place = dir.join("desktop");
        user.own_dir(&place);
        let socket = place.join("bus");
        let bus = format!("unix:path={}", socket.display());
        let mut desktop = Desktop { bus: bus.clone(), programs: Vec::new() };
        let address = format!("--address={bus}");
        let daemon = ["dbus-daemon", "--session", "--nofork", "--nopidfile", &address];
        desktop.program(user, &daemon);
        for _ in 0..500 {
            if UnixStream::connect(&socket).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let user = user.with("DBUS_SESSION_BUS_ADDRESS", bus);
        desktop.program(&user, &["gamemoded"]);
        std::thread::sleep(Duration::from_millis(500));
        desktop
    }

    fn program(&mut self, user: &Person, words: &[&str]) {
        let mut command = user.command(words[0]);
        command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
        self.programs.extend(command.spawn().ok());
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for program in self.programs.iter_mut().rev() {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}
