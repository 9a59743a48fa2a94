//! The filter as it is loaded: its length, and how long the kernel takes to check, compile and
//! install it.

mod runner;

use runner::parts::Parts;
use runner::people::Person;
use runner::report::Report;
use runner::{fail, images, quantile};

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("seccomp", &parts.bolt);
    let user = Person::new(&parts.dir, "user");
    let image = images::one_layer(&parts);
    let id = parts.pull(&user, &image.name);
    let filter = parts.filter(&user, &id);
    let instructions = std::fs::metadata(&filter).map_or(0, |m| m.len() / 8);
    let load = parts.compile("load");
    let words = [filter.display().to_string(), runner::rounds(200).to_string()];
    let text = runner::output(user.command(&load).args(&words));
    let times: Vec<f64> = text.lines().filter_map(|l| l.parse().ok()).collect();
    if times.is_empty() {
        fail("nothing was loaded");
    }
    report.line(&format!("\nfilter of an ordinary container ({} loads)", times.len()));
    report.note("load time, smallest, us", quantile(&times, 0.0));
    report.note("load time, 9 of 10 are below, us", quantile(&times, 0.9));
    report.limit("instructions", instructions as f64, 600.0);
    report.limit("load time, median, us", quantile(&times, 0.5), 200.0);
    report.write();
}
