//! How long `bolt pull` takes from one mirror, from two, and from two of which one lies: each sends
//! 20 MB/s, as does the registry that names the image. And an image from a bucket against the same
//! image from a registry, without limits.
//!
//! The mirrors are small servers of this bench that send files of the image's layout; a real S3
//! server hashes an object before it sends a part of it, which would be measured instead.

mod runner;

use runner::images::{self, Image};
use runner::meter::Meter;
use runner::mirror::{Lie, Mirror, slow_way};
use runner::parts::Parts;
use runner::peers::Registry;
use runner::people::Person;
use runner::report::Report;
use runner::{fail, median};

/// Bytes a second of each place.
const RATE: u64 = 20_000_000;

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("mirrors", &parts.bolt);
    let registry = Registry::start(&parts.dir);
    let twelve = images::noise(&parts, "twelve", 12, 6_000_000);
    compare(&parts, &mut report, &registry, &twelve, "12 blobs of 6 MB", [0.6, 0.75]);
    let single = images::noise(&parts, "single", 1, 200_000_000);
    compare(&parts, &mut report, &registry, &single, "one blob of 200 MB", [0.6, 1.1]);
    bucket(&parts, &mut report, &registry, &images::assorted(&parts));
    report.write();
}

/// A pull into an empty store by somebody whose registries.toml names these mirrors; seconds.
fn pull(parts: &Parts, label: &str, name: &str, mirrors: &[&Mirror]) -> f64 {
    let home = Person::new(&parts.dir, label);
    let config = home.home.join(".config/bolt");
    home.own_dir(&home.home.join(".config"));
    home.own_dir(&config);
    let location = name.split('/').next().unwrap_or_default();
    let mut text =
        format!("[[registry]]\nname = \"main\"\nlocation = \"{location}\"\ninsecure = true\n");
    for (n, mirror) in mirrors.iter().enumerate() {
        text.push_str(&format!(
            "[[ghostbay]]\nname = \"m{n}\"\nendpoint = \"http://{}\"\nbucket = \"games\"\n\
             key = \"blobs/sha256/{{hex}}\"\ncredentials = \"anonymous\"\n",
            mirror.host
        ));
    }
    if let Err(e) = std::fs::write(config.join("registries.toml"), text) {
        fail(format_args!("registries.toml: {e}"));
    }
    let mut meter = Meter::start(&home, &parts.measure, &parts.dir);
    let words = parts.command(&["pull", "--quiet", "--tls-verify=false", name]);
    meter.must(&words).wall / 1000.0
}

fn compare(
    parts: &Parts,
    report: &mut Report,
    registry: &Registry,
    image: &Image,
    title: &str,
    [two, lying]: [f64; 2],
) {
    let short: String = title.chars().filter(char::is_ascii_alphanumeric).collect();
    let short = short.to_lowercase();
    registry.push(&image.name, &format!("{short}:v1"));
    let name = format!("{}/{short}:v1", slow_way(&registry.host, RATE));
    let one = Mirror::start(&image.layout, RATE, Lie::Never);
    let other = Mirror::start(&image.layout, RATE, Lie::Never);
    let liar = Mirror::start(&image.layout, RATE, Lie::Layers);
    let hidden = Mirror::start(&image.layout, RATE, Lie::LongAnswers);
    let mut times: [Vec<f64>; 4] = Default::default();
    let mut lies = [0; 2];
    let rounds = runner::rounds(3);
    for round in 0..rounds {
        let label = |what: &str| format!("{short}-{what}-{round}");
        times[0].push(pull(parts, &label("one"), &name, &[&one]));
        times[1].push(pull(parts, &label("two"), &name, &[&one, &other]));
        times[2].push(pull(parts, &label("liar"), &name, &[&liar, &one]));
        times[3].push(pull(parts, &label("hidden"), &name, &[&hidden, &one]));
        lies = [lies[0].max(liar.sent()), lies[1].max(hidden.sent())];
    }
    let [alone, both, with_liar, with_hidden] = times.each_ref().map(|t| median(t));
    report.line(&format!("\n{title}, each place 20 MB/s ({rounds} rounds, medians, seconds)"));
    report.note("one mirror", alone);
    report.note("two mirrors", both);
    report.note("two mirrors, one lies", with_liar);
    report.note("two mirrors, one lies in long answers only", with_hidden);
    report.note("MB that the liar was asked for", lies[0] as f64 / 1e6);
    report.note("MB that the one of long answers was asked for", lies[1] as f64 / 1e6);
    report.limit("two mirrors / one", both / alone, two);
    report.limit("two mirrors of which one lies / one", with_liar / alone, lying);
    report.limit("two mirrors of which one lies in long answers / one", with_hidden / alone, lying);
}

/// The same image by the same road, once from the registry and once from a bucket.
fn bucket(parts: &Parts, report: &mut Report, registry: &Registry, image: &Image) {
    let name = registry.push(&image.name, "bucket:v1");
    let mirror = Mirror::start(&image.layout, 0, Lie::Never);
    let mut times: [Vec<f64>; 2] = Default::default();
    let rounds = runner::rounds(3);
    for round in 0..rounds {
        times[0].push(pull(parts, &format!("bucket-registry-{round}"), &name, &[]));
        times[1].push(pull(parts, &format!("bucket-s3-{round}"), &name, &[&mirror]));
    }
    let [from_registry, from_bucket] = times.each_ref().map(|t| median(t));
    report.line(&format!("\n12 layers without limits ({rounds} rounds, medians, seconds)"));
    report.note("from docker-registry", from_registry);
    report.note("from a bucket", from_bucket);
    report.limit("bucket / registry", from_bucket / from_registry, 1.1);
}
