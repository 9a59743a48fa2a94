//! Nothing grows: 500 starts one after the other, and 100 detached ones from a shell's loop.

mod runner;

use runner::images;
use runner::meter::Meter;
use runner::parts::Parts;
use runner::peers::Podman;
use runner::people::Person;
use runner::report::Report;
use runner::{median, quantile};

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("repeat", &parts.bolt);
    let user = Person::new(&parts.dir, "user");
    let image = images::ten_layers(&parts);
    let id = parts.pull(&user, &image.name);
    let mut meter = Meter::start(&user, &parts.measure, &parts.dir);
    in_turn(&parts, &mut report, &mut meter, &id);
    detached(&parts, &mut report, &user, &mut meter, &id, &image.name);
    report.write();
}

fn in_turn(parts: &Parts, report: &mut Report, meter: &mut Meter, id: &str) {
    let words = parts.command(&["run", "--rm", "--network", "none", id, "/probe"]);
    let times: Vec<f64> = (0..runner::rounds(500)).map(|_| meter.must(&words).wall).collect();
    let fifth = (times.len() / 5).max(1);
    report.line(&format!("\n{} starts in turn, ms", times.len()));
    for (n, part) in times.chunks(fifth).enumerate() {
        report.note(&format!("median of fifth {}", n + 1), median(part));
    }
    let (first, last) = (median(&times[..fifth]), median(&times[times.len() - fifth..]));
    report.limit("last fifth / first fifth", last / first, 1.15);
    report.limit("p99 / median", quantile(&times, 0.99) / median(&times), 3.0);
}

fn detached(
    parts: &Parts,
    report: &mut Report,
    user: &Person,
    meter: &mut Meter,
    id: &str,
    image: &str,
) {
    let podman = Podman::new(user, image);
    let one = ["run", "-d", "--network", "none"];
    let ours = parts.command(&[&one[..], &[id, "/probe", "pause"]].concat());
    let theirs = podman.command(&[&one[..], &[podman.image(), "/probe", "pause"]].concat());
    let script = |words: &[String]| {
        format!(
            "i=0; while [ $i -lt 100 ]; do {} >/dev/null || exit 1; i=$((i+1)); done",
            words.join(" ")
        )
    };
    let bolt = meter.must_leave(&["sh", "-c", &script(&ours)]).wall;
    meter.must(&parts.command(&["rm", "-a", "-f", "-t", "0"]));
    let peer = meter.must_leave(&["sh", "-c", &script(&theirs)]).wall;
    meter.must(&podman.command(&["rm", "-a", "-f", "-t", "0"]));
    report
        .line(&format!("\n100 detached containers by a shell's loop, ms each ({})", podman.about));
    report.note("bolt", bolt / 100.0);
    report.note("podman", peer / 100.0);
    report.limit("bolt / podman", bolt / peer, 0.1);
}
