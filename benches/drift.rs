//! What a `bolt://` name costs: the choice among 200 variants once their index is here, and a
//! start by a satisfied lock file against one by digest.

mod runner;

use bolt_engine::facts::HostFacts;
use bolt_engine::game::choose::{Known, choose};
use bolt_engine::game::measured::Results;
use bolt_engine::image::manifest::{self, Document};
use bolt_engine::image::types::Digest;
use runner::images;
use runner::meter::{Case, Meter, interleave};
use runner::parts::Parts;
use runner::people::Person;
use runner::report::Report;
use runner::{fail, median};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("drift", &parts.bolt);
    choice(&mut report);
    start(&parts, &mut report);
    report.write();
}

/// The index of the tests' table, repeated, on its first machine: from its bytes to the verdicts.
fn choice(report: &mut Report) {
    let table: Value = serde_json::from_str(include_str!("../tests/drift/machines.json"))
        .unwrap_or_else(|e| fail(e));
    let few = table["index"]["manifests"].as_array().cloned().unwrap_or_default();
    let mut index = table["index"].clone();
    index["manifests"] = few.into_iter().cycle().take(200).collect();
    let index = index.to_string().into_bytes();
    let facts = table["machines"][0]["facts"].to_string().into_bytes();
    let facts = HostFacts::parse(Path::new("facts"), &facts).unwrap_or_else(|e| fail(e));
    let root = Digest::sha256_of(&index);
    let mut times = Vec::new();
    for _ in 0..runner::rounds(101) {
        let begin = Instant::now();
        let Ok(Document::Index(entries)) = manifest::parse(&index, "") else {
            fail("the table has no index")
        };
        let choice = choose(&root, &entries, &facts, &Results::default(), &Known::default());
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        let count = choice.map_or(0, |choice| choice.verdicts.len());
        if count != 200 {
            fail(format_args!("{count} verdicts of 200"));
        }
    }
    report.limit("resolve of 200 variants, once fetched, ms, median", median(&times), 5.0);
}

/// The same image by its digest, and by a name that the lock file has.
fn start(parts: &Parts, report: &mut Report) {
    let user = Person::new(&parts.dir, "user");
    let image = images::one_layer(parts);
    let id = parts.pull(&user, &image.name);
    let words = parts.command(&["image", "inspect", "--format", "{{.Digest}}", &id]);
    let mut meter = [Meter::start(&user, &parts.measure, &parts.dir)];
    meter[0].must(&words);
    let digest = meter[0].output();
    let config = user.home.join(".config/bolt");
    user.own_dir(&user.home.join(".config"));
    user.own_dir(&config);
    // Nobody listens there: a start that asks anybody fails.
    write(
        &config.join("registries.toml"),
        "[[registry]]\nname = \"main\"\nlocation = \"127.0.0.1:9/games\"\n",
    );
    let entry = json!({ "repository": "127.0.0.1:9/games/game", "tag": "latest", "index": null,
                        "manifest": digest, "variant": "only", "reason": "the only one there is" });
    let lock = json!({ "version": 1, "names": { "bolt://game": entry } });
    let file = user.home.join("lock.json");
    write(&file, &lock.to_string());
    let file = file.display().to_string();
    let run = ["run", "--rm", "--network", "none"];
    let by_digest = parts.command(&[&run[..], &[id.as_str(), "true"]].concat());
    let by_lock = ["--locked", "--lock-file", &file, "bolt://game", "true"];
    let by_lock = parts.command(&[&run[..], &by_lock].concat());
    let case = |name: &str, words: &[String]| {
        Case::new(name, 0, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut cases =
        [case("bolt run IMAGE", &by_digest), case("bolt run --locked bolt://GAME", &by_lock)];
    interleave(&mut meter, &mut cases, runner::rounds(50));
    report.table("a start of true", &cases);
    let [plain, locked] = &cases;
    report.limit("added by the lock file, ms, median", locked.wall() - plain.wall(), 1.0);
}

fn write(path: &Path, text: &str) {
    if let Err(e) = std::fs::write(path, text) {
        fail(format_args!("{}: {e}", path.display()));
    }
}
