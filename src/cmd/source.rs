//! `bolt source ls`: the stores of registries.toml and all places that images came from, in the order they are asked, and why.

use crate::cmd::{buckets, drift};
use crate::image::source::history::History;
use crate::settings::Settings;
use crate::ui::format::{self, Defaults};
use crate::ui::{human, print};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Show where blobs come from
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List sources in the order of their rank, and why they have it
    #[command(visible_alias = "list")]
    Ls(Ls),
}

#[derive(Debug, clap::Args)]
struct Ls {
    /// Print as "json", or by a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// No headings
    #[arg(short, long)]
    noheading: bool,
}

/// Runs the verb behind `source`.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Ls(args) => ls(&args, settings),
    }
}

fn ls(args: &Ls, settings: &Settings) -> anyhow::Result<u8> {
    let history = History::read(&settings.dirs.cache.join("sources.json"));
    let config = drift::config(settings)?;
    let configured = config.ghostbay().iter().map(|store| buckets::nobodys(store).name());
    let names: BTreeSet<String> = configured.chain(history.all().keys().cloned()).collect();
    let rows = rows(&history, names.into_iter().collect());
    let columns = "{{.Rank}}\t{{.Source}}\t{{.Kind}}\t{{.Latency}}\t{{.Throughput}}\t{{.Why}}";
    let defaults = Defaults { columns, headings: &[], bare: args.noheading };
    print::stdout(&format::rows(args.format.as_deref(), &rows, &defaults)?)?;
    Ok(0)
}

/// One row for each name, best rank first. Mirrors are asked before registries.
fn rows(history: &History, mut names: Vec<String>) -> Vec<Value> {
    let kind = |name: &str| if name.starts_with("s3://") { "mirror" } else { "registry" };
    names.sort_by(|a, b| {
        let rank = |name: &str| (kind(name), history.rank(name));
        rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let mirrored = names.first().is_some_and(|name| kind(name) == "mirror");
    let why = |name: &str| match mirrored && kind(name) == "registry" {
        true => format!("asked after the mirrors; {}", history.reason(name)),
        false => history.reason(name),
    };
    let row = |(n, name): (usize, &String)| {
        let record = history.of(name).cloned().unwrap_or_default();
        let latency = record.latency.map_or("-".to_owned(), |s| format!("{:.1}ms", s * 1e3));
        let rate = match record.rate {
            rate if rate > 0.0 => format!("{}/s", human::size(rate as u64)),
            _ => "-".to_owned(),
        };
        json!({
            "Rank": n + 1,
            "Source": name,
            "Kind": kind(name),
            "Latency": latency,
            "Throughput": rate,
            "Why": why(name),
            "Bytes": record.bytes,
            "Pulls": record.pulls,
            "Lies": record.lies,
            "Trouble": record.trouble,
        })
    };
    names.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_before_registries_and_say_why() {
        let file = std::env::temp_dir().join(format!("bolt-sources-{}", std::process::id()));
        let text = r#"{"version":1,"sources":{
            "r.example":{"rate":9e9,"latency":0.001},
            "s3://a at h":{"rate":1e6,"latency":0.25,"pulls":3},
            "s3://b at h":{"rate":20e6,"latency":0.01}}}"#;
        std::fs::write(&file, text).unwrap();
        let history = History::read(&file);
        std::fs::remove_file(&file).unwrap();
        let mut names: Vec<String> = history.all().keys().cloned().collect();
        names.push("s3://new at h".to_owned());
        let alone = super::rows(&history, vec!["r.example".to_owned()]);
        assert_eq!(alone[0]["Why"], "8 MiB are expected in 0.00 s");
        let rows = rows(&history, names);
        assert_eq!(rows[3]["Why"], "asked after the mirrors; 8 MiB are expected in 0.00 s");
        let order: Vec<_> = rows.iter().map(|r| r["Source"].as_str().unwrap()).collect();
        assert_eq!(order, ["s3://new at h", "s3://b at h", "s3://a at h", "r.example"]);
        assert_eq!(rows[0]["Why"], "never used");
        assert_eq!(rows[2]["Latency"], "250.0ms");
        assert_eq!(rows[2]["Pulls"], 3);
        assert!(rows[1]["Why"].as_str().unwrap().contains("8 MiB are expected in 0.43 s"));
    }
}
