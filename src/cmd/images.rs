//! `bolt images`: what the local store holds.

use crate::cmd::image::inspect::{repo_digests, repo_tags};
use crate::cmd::image::{outdated, uses};
use crate::container::dir::Containers;
use crate::container::list::{self, Entry};
use crate::container::time;
use crate::image::filter::{Filters, created, split_name};
use crate::settings::Settings;
use crate::store::{ListedImage, Store};
use crate::ui::{format, human, print};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::time::Duration;

/// List images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show images of this name only
    #[arg(value_name = "IMAGE")]
    image: Option<String>,
    /// Show all images; there are no intermediate ones to hide
    #[arg(short, long)]
    all: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Leave the headings out
    #[arg(short = 'n', long, visible_alias = "no-heading")]
    noheading: bool,
    /// Print as "json", "table TEMPLATE" or by a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show images that pass: reference=, dangling=, label=, before=, since=, id=, digest=, until=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Order of the list
    #[arg(long, value_enum, value_name = "KEY", default_value_t = Sort::Created)]
    sort: Sort,
    /// Ask registries, and show images whose tag is a version of which a newer one exists
    #[arg(long, conflicts_with_all = ["quiet", "digests", "sort"])]
    outdated: bool,
}

/// What the list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The newest first.
    Created,
    /// By id.
    Id,
    /// By repository.
    Repository,
    /// The smallest first.
    Size,
    /// By tag.
    Tag,
}

/// An image under one of its names.
struct Row<'a> {
    image: &'a ListedImage,
    name: Option<&'a str>,
}

impl Row<'_> {
    fn repository(&self) -> &str {
        self.name.map_or("<none>", |name| split_name(name).0)
    }
    fn tag(&self) -> &str {
        self.name.map(|name| split_name(name).1).filter(|tag| !tag.is_empty()).unwrap_or("<none>")
    }
}

/// Prints the list.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let mut filters = Filters::parse(&args.filter)?;
    if let Some(name) = &args.image {
        filters.add_reference(name);
    }
    let store = Store::open(&settings.dirs.store())?;
    let entries = list::read(&Containers::open(&settings.dirs)?)?.entries;
    let images = filters.apply(store.images()?, &uses::manifests(&entries))?;
    if args.outdated {
        return outdated::run(settings, &images, args.format.as_deref(), args.noheading);
    }
    print::stdout(&show(&args, images, &entries)?)?;
    Ok(0)
}

fn show(args: &Args, mut images: Vec<ListedImage>, entries: &[Entry]) -> anyhow::Result<String> {
    if format::is_json(args.format.as_deref()) {
        images.sort_by_key(|image| std::cmp::Reverse(created(&image.record)));
        let values: Vec<Value> = images.iter().map(|image| json_row(image, entries)).collect();
        return Ok(format::json(&Value::from(values)));
    }
    let rows = sorted(&images, args.sort);
    if args.quiet {
        return Ok(ids(&rows, args.no_trunc));
    }
    let now = time::now();
    let values: Vec<Value> =
        rows.iter().map(|row| template_row(row, entries, args.no_trunc, now)).collect();
    let columns = if args.digests {
        "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.Created}}\t{{.Size}}"
    } else {
        "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.Created}}\t{{.Size}}"
    };
    let headings = &[("ID", "IMAGE ID"), ("CreatedSince", "CREATED")];
    let defaults = format::Defaults { columns, headings, bare: args.noheading };
    Ok(format::rows(args.format.as_deref(), &values, &defaults)?)
}

/// One row for each name; an image without one has one row too.
fn sorted(images: &[ListedImage], by: Sort) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for image in images {
        rows.extend(image.names.iter().map(|name| Row { image, name: Some(name) }));
        if image.names.is_empty() {
            rows.push(Row { image, name: None });
        }
    }
    rows.sort_by(|a, b| {
        let (x, y) = (&a.image.record, &b.image.record);
        let first = match by {
            Sort::Created => created(y).cmp(&created(x)),
            Sort::Id => x.id.cmp(&y.id),
            Sort::Repository => a.repository().cmp(b.repository()),
            Sort::Size => x.size.cmp(&y.size),
            Sort::Tag => a.tag().cmp(b.tag()),
        };
        first.then_with(|| (a.repository(), a.tag()).cmp(&(b.repository(), b.tag())))
    });
    rows
}

/// Every id once, in the order of the rows.
fn ids(rows: &[Row<'_>], whole: bool) -> String {
    let mut seen = std::collections::BTreeSet::new();
    let mut text = String::new();
    for row in rows {
        if seen.insert(&row.image.record.id) {
            text.push_str(&shown_id(row.image, whole));
            text.push('\n');
        }
    }
    text
}

fn shown_id(image: &ListedImage, whole: bool) -> String {
    let id = &image.record.id;
    if whole { id.to_string() } else { id.hex()[..12].to_owned() }
}

fn json_row(image: &ListedImage, entries: &[Entry]) -> Value {
    let record = &image.record;
    json!({
        "Id": record.id.hex(),
        "ParentId": "",
        "RepoTags": repo_tags(&image.names),
        "RepoDigests": repo_digests(record, &image.names),
        "Size": record.size,
        "SharedSize": 0,
        "VirtualSize": record.size,
        "Labels": record.config.labels,
        "Containers": uses::containers(entries, record).count(),
        "Arch": record.platform.architecture,
        "Os": record.platform.os,
        "Names": image.names,
        "Dangling": image.names.is_empty(),
        "Digest": record.manifest,
        "History": image.names,
        "Created": created(record) / 1_000_000_000,
        "CreatedAt": record.created,
    })
}

fn template_row(row: &Row<'_>, entries: &[Entry], whole: bool, now: i64) -> Value {
    let record = &row.image.record;
    let at = created(record);
    let age = u64::try_from(now.saturating_sub(at)).unwrap_or(0);
    let since = format!("{} ago", human::duration(Duration::from_nanos(age)));
    json!({
        "Id": record.id.hex(),
        "ID": shown_id(row.image, whole),
        "Repository": row.repository(),
        "Tag": row.tag(),
        "Digest": record.manifest,
        "Created": since,
        "CreatedSince": since,
        "CreatedAt": time::go_string(at),
        "CreatedTime": time::go_string(at),
        "Size": human::size(record.size),
        "VirtualSize": human::size(record.size),
        "SharedSize": human::size(0),
        "UniqueSize": human::size(record.size),
        "Labels": record.config.labels,
        "Containers": uses::containers(entries, record).count(),
        "Names": row.image.names,
        "RepoTags": repo_tags(&row.image.names),
        "RepoDigests": repo_digests(record, &row.image.names),
        "History": row.image.names,
        "Dangling": row.image.names.is_empty(),
        "ReadOnly": false,
        "ParentId": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::filter::tests::image;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn shown(words: &[&str]) -> String {
        let words = ["images"].iter().chain(words);
        let images = vec![
            image(1, &["docker.io/library/b:1", "localhost/a:z"]),
            image(2, &[]),
            image(3, &["quay.io/c@sha256:00"]),
        ];
        show(&Line::parse_from(words).args, images, &[]).unwrap()
    }

    #[test]
    fn a_row_for_each_name() {
        let table = shown(&["--sort", "repository"]);
        let lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
        assert_eq!(lines[0], ["REPOSITORY", "TAG", "IMAGE"]);
        assert_eq!(lines[1], ["<none>", "<none>", "121212121212"]);
        assert_eq!(lines[2], ["docker.io/library/b", "1", "111111111111"]);
        assert_eq!(lines[3], ["localhost/a", "z", "111111111111"]);
        assert_eq!(lines[4], ["quay.io/c", "<none>", "131313131313"]);
        assert!(table.lines().nth(2).unwrap().trim_end().ends_with(" 1 MB"), "{table}");
        assert!(shown(&["--noheading", "--digests"]).starts_with("quay.io/c"));
    }

    #[test]
    fn ids_once_each_the_newest_first() {
        assert_eq!(shown(&["-q"]), "131313131313\n121212121212\n111111111111\n");
        assert!(shown(&["-q", "--no-trunc"]).starts_with("sha256:1313"));
        let line = shown(&["--sort", "size", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
        assert!(line.starts_with("docker.io/library/b:1 111111111111\n"), "{line}");
    }

    #[test]
    fn json_has_one_object_an_image() {
        let value: Value = serde_json::from_str(&shown(&["--format", "json"])).unwrap();
        assert_eq!(value.as_array().unwrap().len(), 3);
        assert_eq!(value[2]["Names"], json!(["docker.io/library/b:1", "localhost/a:z"]));
        assert_eq!(value[2]["Created"], 1_767_225_600);
        assert_eq!(value[2]["Size"], 1_000_000);
        assert_eq!(value[1]["RepoTags"], json!([]));
    }
}
