//! `bolt ps`: containers and what they do.

use super::image_names::ImageNames;
use super::selection::report;
use super::sizes::{Size, Sizes};
use crate::container::config::{Listed, MountKind, Origin};
use crate::container::dir::Containers;
use crate::container::filter::{BadFilter, Filters, network_name};
use crate::container::list::{self, Entry, List};
use crate::container::state::{Recorded, Status};
use crate::container::time;
use crate::settings::Settings;
use crate::ui::{format, human, print, template};
use serde_json::{Value, json};

const COLUMNS: &str =
    "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
/// Fields and headings of the plain table, which is [`COLUMNS`] without a template.
const FIELDS: [&str; 7] = ["ID", "Image", "Command", "CreatedHuman", "Status", "Ports", "Names"];
const PLAIN: [&str; 7] =
    ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
const NAMESPACES: &str = "{{.ID}}\t{{.Names}}\t{{.Pid}}\t{{.CGROUPNS}}\t{{.IPC}}\t{{.MNT}}\t{{.NET}}\t{{.PIDNS}}\t{{.USERNS}}\t{{.UTS}}";
const HEADINGS: &[(&str, &str)] = &[("ID", "CONTAINER ID"), ("CreatedHuman", "CREATED")];

/// List containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Those that do not run too
    #[arg(short, long)]
    all: bool,
    /// Only IDs
    #[arg(short, long, conflicts_with = "format")]
    quiet: bool,
    /// Add the size of the containers' files
    #[arg(short, long)]
    size: bool,
    /// Go template, `table …` or json
    #[arg(long)]
    format: Option<String>,
    /// Only containers that match (key=value, as podman-ps(1) has them)
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// The last N created, whatever they do
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    last: Option<i64>,
    /// The container created last
    #[arg(short, long, conflicts_with = "last")]
    latest: bool,
    /// Whole IDs and commands
    #[arg(long)]
    no_trunc: bool,
    /// No heading
    #[arg(long)]
    noheading: bool,
    /// Order of the rows
    #[arg(long, default_value = "created")]
    sort: Sort,
    /// Namespaces too
    #[arg(long)]
    ns: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    Command,
    Created,
    Id,
    Image,
    Names,
    Runningfor,
    Size,
    Status,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let filters = Filters::parse(&args.filter)?;
    let all = Containers::open(&settings.dirs)?;
    // What a plain table shows is a small part of each config, and reading it all takes longer
    // than everything else here.
    let mut images = ImageNames::new(settings.dirs.store());
    let plain = matches!(args.format.as_deref().map(str::trim_start), None | Some("" | "table"));
    if plain && filters.is_empty() && !args.size && !args.ns {
        let entries = select(list::read_summaries(&all)?, &filters, &args, Ok)?;
        if args.quiet {
            return quiet(&entries, &args);
        }
        let rows = entries.iter().map(|e| cells(e, args.no_trunc, &mut images));
        print::stdout(&format::cells(&PLAIN, rows, args.noheading)?)?;
        return Ok(0);
    }
    let entries =
        select(list::read_side_by_side(&all)?, &filters, &args, |all| filters.apply(all))?;
    if args.quiet {
        return quiet(&entries, &args);
    }
    let json = format::is_json(args.format.as_deref());
    let mut sizes = args.size.then(|| Sizes::new(&settings.dirs));
    let rows = entries
        .iter()
        .map(|e| row(sizes.as_mut(), &mut images, e, &args, json))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut columns = COLUMNS.to_owned();
    if args.size {
        columns.push_str("\t{{.Size}}");
    }
    if args.ns {
        columns = NAMESPACES.to_owned();
    }
    super::output::table(&rows, &columns, HEADINGS, args.format.as_deref(), args.noheading)?;
    Ok(0)
}

/// Those that the flags ask for, in the order they are shown in.
fn select<C: Listed>(
    found: List<C>,
    filters: &Filters,
    args: &Args,
    filter: impl FnOnce(Vec<Entry<C>>) -> Result<Vec<Entry<C>>, BadFilter>,
) -> anyhow::Result<Vec<Entry<C>>> {
    for error in found.damaged {
        report(&error.into());
    }
    let last = if args.latest { Some(1) } else { args.last.and_then(|n| usize::try_from(n).ok()) };
    let mut entries = filter(found.entries)?;
    if let Some(last) = last {
        entries.drain(..entries.len().saturating_sub(last));
    } else if !args.all && !filters.names_a_state() {
        entries.retain(is_running);
    }
    // The list has the oldest first, as podman shows them.
    sort(&mut entries, args.sort);
    Ok(entries)
}

fn quiet<C: Listed>(entries: &[Entry<C>], args: &Args) -> anyhow::Result<u8> {
    for entry in entries {
        print::line(shown_id(&entry.config, args.no_trunc));
    }
    Ok(0)
}

/// Whether a list without `--all` shows it: podman's has what runs, not what is paused. One that
/// waits for its next start counts as running; podman's do not wait.
fn is_running<C>(entry: &Entry<C>) -> bool {
    match entry.status {
        Status::Running | Status::Orphaned => true,
        Status::Starting => entry.recorded.status == "restarting",
        Status::Created | Status::Paused | Status::Exited => false,
    }
}

fn sort<C: Listed>(entries: &mut [Entry<C>], by: Sort) {
    match by {
        Sort::Created | Sort::Runningfor | Sort::Size => {}
        Sort::Command => entries.sort_by_cached_key(|e| e.config.args()),
        Sort::Id => entries.sort_by(|a, b| a.config.id().cmp(b.config.id())),
        Sort::Image => entries.sort_by(|a, b| a.config.image().cmp(&b.config.image())),
        Sort::Names => entries.sort_by(|a, b| a.config.name().cmp(b.config.name())),
        Sort::Status => entries.sort_by_key(|e| e.status.word()),
    }
}

fn shown_id(config: &impl Listed, whole: bool) -> &str {
    if whole { config.id() } else { config.short_id() }
}

/// The cells of the plain table, in the order of [`FIELDS`].
fn cells<C: Listed>(entry: &Entry<C>, whole: bool, images: &mut ImageNames) -> [String; 7] {
    let config = &entry.config;
    let mut command = config.args().join(" ");
    if !whole && command.chars().count() > 20 {
        command = command.chars().take(17).chain("...".chars()).collect();
    }
    [
        shown_id(config, whole).to_owned(),
        images.of(config.image()).into_owned(),
        command,
        ago(config.created()),
        shown_status(entry),
        config.ports().column(),
        config.name().to_owned(),
    ]
}

/// One container with podman's keys: those of `--format json`, or those of templates, where
/// some are text.
fn row(
    sizes: Option<&mut Sizes<'_>>,
    images: &mut ImageNames,
    entry: &Entry,
    args: &Args,
    json: bool,
) -> anyhow::Result<Value> {
    let (config, recorded) = (&entry.config, &entry.recorded);
    let image_id = match &config.origin {
        Origin::Image { id, .. } => id.strip_prefix("sha256:").unwrap_or(id),
        Origin::Directory(_) => "",
    };
    let mounts: Vec<_> = config.mounts.iter().map(|m| m.target.as_str()).collect();
    let networks = match network_name(&config.network) {
        "default" | "none" | "host" => Vec::new(),
        name => vec![name],
    };
    let pid = if entry.status.is_active() { recorded.pid } else { 0 };
    let mut row = json!({
        "AutoRemove": config.remove,
        "Command": config.args(),
        "Created": config.created / 1_000_000_000,
        "CreatedAt": ago(config.created),
        "ExitCode": recorded.exit,
        "Exited": entry.status == Status::Exited,
        "ExitedAt": seconds(recorded.finished),
        "Id": config.id,
        "Image": images.of(config.image()),
        "ImageID": image_id,
        "IsInfra": false,
        "Labels": config.labels,
        "Mounts": mounts,
        "Names": [config.name],
        "Namespaces": if args.ns { namespaces(pid) } else { json!({}) },
        "Networks": networks,
        "Pid": pid,
        "Pod": "",
        "PodName": "",
        "Ports": config.ports.rows(),
        "Restarts": recorded.restarts,
        "Size": null,
        "StartedAt": seconds(recorded.started),
        "State": entry.status.word(),
        "Status": shown_status(entry),
    });
    if let Some(sizes) = sizes {
        let Size { own, image } = sizes.of(config)?;
        row["Size"] = json!({ "rootFsSize": image, "rwSize": own });
    }
    if !json {
        flatten(&mut row, images, entry, args);
    }
    Ok(row)
}

/// The fields of templates and the table.
fn flatten(row: &mut Value, images: &mut ImageNames, entry: &Entry, args: &Args) {
    let config = &entry.config;
    let anonymous = |m: &&crate::container::config::Mount| m.kind != MountKind::Tmpfs;
    let mounts: Vec<_> = config.mounts.iter().filter(anonymous).map(|m| &*m.target).collect();
    for (field, cell) in FIELDS.into_iter().zip(cells(entry, args.no_trunc, images)) {
        row[field] = Value::String(cell);
    }
    row["Label"] = json!(config.labels);
    row["ExposedPorts"] = json!(config.ports.exposed_column());
    row["CIDFile"] = json!(config.cidfile);
    row["CreatedAt"] = json!(time::go_string(config.created));
    row["Created"] = template::time(&time::rfc3339(config.created));
    row["RunningFor"] = json!(ago(config.created));
    row["Mounts"] = json!(mounts);
    row["Networks"] = json!(network_name(&config.network));
    let size = |key: &str| row["Size"][key].as_u64().map(human::size_of_three);
    let shown = size("rwSize").zip(size("rootFsSize"));
    let shown = shown.map(|(own, image)| format!("{own} (virtual {image})"));
    row["Size"] = json!(shown.unwrap_or_default());
    if let Value::Object(names) = row["Namespaces"].take() {
        for (key, value) in names {
            row[key] = value;
        }
    }
}

/// Inodes of the namespaces of a process.
fn namespaces(pid: i32) -> Value {
    let inode = |name: &str| {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap_or_default();
        let text = link.to_string_lossy();
        text.trim_end_matches(']').rsplit('[').next().unwrap_or_default().to_owned()
    };
    json!({
        "CGROUPNS": inode("cgroup"), "IPC": inode("ipc"), "MNT": inode("mnt"), "NET": inode("net"),
        "PIDNS": inode("pid"), "USERNS": inode("user"), "UTS": inode("uts"),
    })
}

fn seconds(at: i64) -> i64 {
    // Go's zero time, as podman prints it.
    if at == 0 { -62_135_596_800 } else { at / 1_000_000_000 }
}

/// With what its checks have shown, where there are any.
fn shown_status<C>(entry: &Entry<C>) -> String {
    let status = status(entry.status, &entry.recorded);
    match &entry.checks {
        Some(checks) if entry.status == Status::Running => format!("{status} ({})", checks.status),
        _ => status,
    }
}

fn status(status: Status, recorded: &Recorded) -> String {
    match status {
        Status::Created => "Created".to_owned(),
        Status::Starting if recorded.status == "restarting" => {
            format!("Restarting ({}) {}", recorded.exit, ago(recorded.finished))
        }
        Status::Starting => "Initialized".to_owned(),
        Status::Running => format!("Up {}", span(recorded.started)),
        Status::Paused => "Paused".to_owned(),
        // Its supervisor was killed before the program began.
        Status::Orphaned if recorded.started == 0 => "Orphaned".to_owned(),
        Status::Orphaned => format!("Orphaned, up {}", span(recorded.started)),
        Status::Exited if recorded.finished == 0 => format!("Exited ({})", recorded.exit),
        Status::Exited => format!("Exited ({}) {}", recorded.exit, ago(recorded.finished)),
    }
}

fn ago(at: i64) -> String {
    format!("{} ago", span(at))
}

/// Time since `at` in its largest unit.
fn span(at: i64) -> String {
    let seconds = (time::now() - at).max(0) / 1_000_000_000;
    let units = [
        (31_536_000, "year"),
        (2_592_000, "month"),
        (604_800, "week"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
    ];
    let (count, unit) = units
        .iter()
        .find(|(size, _)| seconds >= *size)
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, unit));
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::testing::{config, containers};
    use crate::sys::atomic::Sync;
    use crate::ui::format::Defaults;

    #[test]
    fn what_never_began_has_no_age() {
        let began = Recorded { started: time::now() - 120_000_000_000, ..Recorded::default() };
        assert_eq!(status(Status::Orphaned, &Recorded::default()), "Orphaned");
        assert_eq!(status(Status::Orphaned, &began), "Orphaned, up 2 minutes");
    }

    /// The plain table is written without a template and from a part of each config; nobody is
    /// to see that.
    #[test]
    fn the_plain_table_is_what_its_template_makes() {
        let (scratch, all) = containers();
        for (name, command) in [("a", "sh"), ("b", "x\ty\n\u{1b}[1m and longer than it is shown")] {
            let mut dir = all.create(None, Some(name)).unwrap();
            let mut config = config(dir.id(), name);
            config.process.entrypoint = vec!["\u{202e}run".into()];
            config.process.cmd = vec![command.into(), "-é".into()];
            config.created += name.len() as i64;
            dir.write_config(&config, Sync::Fast).unwrap();
            let state =
                r#"{"version":1,"status":"exited","exit":3,"finished":1700000000000000000}"#;
            std::fs::write(dir.path().join("state.json"), state).unwrap();
            dir.unlock();
        }
        let words = ["ps", "--no-trunc"];
        for words in [&words[..1], &words[..]] {
            let args = <Args as clap::Args>::augment_args(clap::Command::new("ps"));
            let matches = args.get_matches_from(words);
            let args = <Args as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
            let part = list::read_as::<crate::container::config::Summary>(&all).unwrap().entries;
            let mut images = ImageNames::new(scratch.path().join("store"));
            let cells = part.iter().map(|e| cells(e, args.no_trunc, &mut images));
            let plain = format::cells(&PLAIN, cells, false).unwrap();
            let whole = list::read(&all).unwrap().entries;
            let mut row = |e| row(None, &mut images, e, &args, false).unwrap();
            let rows: Vec<_> = whole.iter().map(&mut row).collect();
            let defaults = Defaults { columns: COLUMNS, headings: HEADINGS, bare: false };
            assert_eq!(plain, format::rows(None, &rows, &defaults).unwrap());
            assert_eq!(plain.lines().count(), 3, "{plain}");
        }
    }
}
