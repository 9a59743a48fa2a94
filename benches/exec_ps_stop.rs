//! The small verbs: `exec` against nsenter, `ps` of 500 containers, `stop` and `rm`.

mod runner;

use runner::images;
use runner::living::Living;
use runner::median;
use runner::meter::{Case, Meter, interleave};
use runner::parts::Parts;
use runner::people::Person;
use runner::report::Report;

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("exec_ps_stop", &parts.bolt);
    let user = Person::new(&parts.dir, "user");
    let id = parts.pull(&user, &images::one_layer(&parts).name);
    let mut meter = Meter::start(&user, &parts.measure, &parts.dir);
    exec(&parts, &mut report, &user, &mut meter, &id);
    stop(&parts, &mut report, &mut meter, &id);
    ps(&parts, &mut report, &mut meter, &id);
    report.write();
}

fn exec(parts: &Parts, report: &mut Report, user: &Person, meter: &mut Meter, id: &str) {
    let one = Living::start(parts, user, id, "exec");
    let bolt = parts.bolt.display().to_string();
    let pid = one.init.to_string();
    let enter = ["nsenter", "-t", &pid, "-U", "-m", "-u", "-i", "-n", "-p", "/bin/true"];
    let mut cases = [
        Case::new("nsenter, all namespaces, no filter", 0, &enter),
        Case::new("bolt exec", 0, &[&bolt, "exec", "exec", "/bin/true"]),
    ];
    interleave(std::slice::from_mut(meter), &mut cases, runner::rounds(20));
    report.table("exec of /bin/true", &cases);
    report.limit("exec / nsenter", cases[1].wall() / cases[0].wall(), 2.0);
}

/// A payload that ends at once on SIGTERM: what remains is ours.
fn stop(parts: &Parts, report: &mut Report, meter: &mut Meter, id: &str) {
    let mut times = Vec::new();
    for _ in 0..runner::rounds(20) {
        let run = ["run", "-d", "--name", "stop", "--network", "none", id, "/probe", "pause"];
        meter.must_leave(&parts.command(&run));
        let stop = meter.must_leave(&parts.command(&["stop", "stop"]));
        let rm = meter.must_leave(&parts.command(&["rm", "stop"]));
        times.push(stop.wall + rm.wall);
    }
    report
        .line(&format!("\nstop and rm of a container that ends at once ({} rounds)", times.len()));
    report.limit("stop + rm, ms, median", median(&times), 5.0);
}

/// Exited ones: they cost `ps` what living ones cost, and the machine nothing.
fn ps(parts: &Parts, report: &mut Report, meter: &mut Meter, id: &str) {
    for _ in 0..500 {
        meter.must(&parts.command(&["run", "--network", "none", id, "/probe"]));
    }
    let mut cases = [Case::new("bolt ps -a, 500 containers", 0, &[])];
    cases[0].words = parts.command(&["ps", "-a"]);
    interleave(std::slice::from_mut(meter), &mut cases, runner::rounds(20));
    report.table("ps", &cases);
    report.limit("ps of 500, ms, median", cases[0].wall(), 10.0);
}
