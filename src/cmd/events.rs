//! `bolt events`: what happened, and with `--stream` what happens.

use crate::container::events::{Event, EventReader};
use crate::container::time;
use crate::settings::Settings;
use crate::ui::filter::{BadFilter, Wanted, has_label};
use crate::ui::template::Template;
use crate::ui::{format, print};
use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use serde_json::{Value, json};
use std::io;
use std::os::fd::OwnedFd;

/// Bytes of text that are gathered before they are written.
const BATCH: usize = 64 << 10;
/// How often the log is looked at where it cannot be watched.
const TICK: i64 = 1_000_000_000;

/// Show what happens to containers, images, volumes and the store
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only events since this time (2026-01-31T18:30:00Z, seconds since 1970, or a span such as 10m ago)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only events until this time; a span lies ahead: 10m is in ten minutes, -10m was ten minutes ago
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only events that match: artifact, container, event, image, label, status, type, volume
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Go template, or json: one object a line
    #[arg(long)]
    format: Option<String>,
    /// Go on with new events; with =false end after those that are there
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cmd::flags::boolean())]
    stream: bool,
    /// Whole IDs
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cmd::flags::boolean())]
    no_trunc: bool,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let now = time::now();
    let since = args.since.as_deref().map(|text| time::parse(text, now)).transpose()?;
    let until = args.until.as_deref().map(|text| time::parse_end(text, now)).transpose()?;
    let choice = Choice {
        // Without a beginning a stream shows what is new, and a list everything.
        since: since.unwrap_or(if args.stream && until.is_none() { now } else { i64::MIN }),
        until: until.unwrap_or(i64::MAX),
        wanted: wanted(&args.filter)?,
    };
    let show = Show::of(args.format.as_deref(), args.no_trunc)?;
    let mut reader = EventReader::open(&settings.dirs).context("open the log of events")?;
    let watch = if args.stream { watch(&reader) } else { None };
    loop {
        // Looked at before the read: what was written until then is seen.
        let over = !args.stream || time::now() >= choice.until;
        tell(&mut reader, &choice, &show)?;
        if over {
            return Ok(0);
        }
        if !wait(watch.as_ref(), choice.until)? {
            return Ok(0);
        }
    }
}

fn tell(reader: &mut EventReader, choice: &Choice, show: &Show) -> anyhow::Result<()> {
    let mut text = String::new();
    let mut failure = None;
    let read = reader.read(|event| {
        if !choice.takes(&event) {
            return Ok(true);
        }
        let told = show.line(&event, &mut text).and_then(|()| match text.len() {
            0..BATCH => Ok(()),
            _ => print::stdout(&std::mem::take(&mut text)),
        });
        failure = told.err();
        Ok(failure.is_none())
    });
    read.context("read the log of events")?;
    match failure {
        Some(error) => Err(error),
        None if text.is_empty() => Ok(()),
        None => print::stdout(&text),
    }
}

/// Which events are shown.
#[derive(Debug)]
struct Choice {
    since: i64,
    until: i64,
    wanted: Wanted,
}

const KEYS: &[&str] =
    &["artifact", "container", "event", "image", "label", "pod", "status", "type", "volume"];
const KINDS: &[&str] =
    &["artifact", "container", "image", "network", "pod", "secret", "system", "volume"];

fn wanted(words: &[String]) -> Result<Wanted, BadFilter> {
    Wanted::parse(words, "events", KEYS, |key, value| match key {
        "type" if !KINDS.contains(&value) => Err(format!("use one of {}", KINDS.join(", "))),
        _ => Ok(()),
    })
}

impl Choice {
    fn takes(&self, event: &Event) -> bool {
        let when = || {
            let at = event.at();
            at >= self.since && at <= self.until
        };
        self.wanted.iter().all(|(key, values)| match key {
            "label" => {
                let labels = event.attributes.as_ref();
                labels.is_some_and(|labels| values.iter().all(|v| has_label(labels, v)))
            }
            _ => values.iter().any(|value| is(event, key, value)),
        }) && when()
    }
}

fn is(event: &Event, key: &str, value: &str) -> bool {
    let named = |kind: &str| {
        let by_id = !value.is_empty() && event.id.starts_with(value);
        event.kind == kind && (event.name == value || by_id)
    };
    match key {
        // `die` is Docker's word.
        "event" | "status" => event.status == if value == "die" { "died" } else { value },
        "type" => event.kind == value,
        "artifact" | "container" | "image" => named(key),
        // The beginning of a name is enough, as with Docker.
        "volume" => event.kind == key && event.name.starts_with(value),
        // There are no pods.
        _ => false,
    }
}

/// How an event is shown.
#[derive(Debug)]
enum Show {
    Line { whole: bool },
    Json,
    Template(Template),
}

impl Show {
    fn of(format: Option<&str>, whole: bool) -> anyhow::Result<Show> {
        Ok(match format {
            None | Some("") => Show::Line { whole },
            asked if format::is_json(asked) => Show::Json,
            Some(text) => Show::Template(Template::parse(text).context("--format")?),
        })
    }

    fn line(&self, event: &Event, text: &mut String) -> anyhow::Result<()> {
        match self {
            Show::Line { whole } => text.push_str(&print::escaped_cell(&plain(event, *whole))),
            Show::Json => text.push_str(&serde_json::to_string(event)?),
            Show::Template(template) => {
                text.push_str(&template.render(&row(event)).context("--format")?);
            }
        }
        text.push('\n');
        Ok(())
    }
}

/// `TIME TYPE STATUS ID (image=IMAGE, name=NAME, LABELS)`, as podman prints it.
fn plain(event: &Event, whole: bool) -> String {
    let id = match event.id.get(..12) {
        Some(short) if !whole => short,
        _ => &event.id,
    };
    let head = format!("{} {} {}", time::go_string(event.at()), event.kind, event.status);
    match event.kind.as_str() {
        "container" => {
            let mut parts = vec![format!("image={}", event.image), format!("name={}", event.name)];
            parts.extend(event.health_status.iter().map(|word| format!("health_status={word}")));
            parts.extend(event.health_log.iter().map(|check| format!("health_log={check}")));
            let labels = event.attributes.iter().flatten();
            parts.extend(labels.map(|(key, value)| format!("{key}={value}")));
            format!("{head} {id} ({})", parts.join(", "))
        }
        "image" => format!("{head} {id} {}", event.name),
        "system" => head,
        _ => format!("{head} {}", event.name),
    }
}

/// The fields of templates: all of them, for every event.
fn row(event: &Event) -> Value {
    json!({
        "Attributes": event.attributes.clone().unwrap_or_default(),
        "ContainerExitCode": event.container_exit_code.unwrap_or(0),
        "HealthLog": event.health_log.as_deref().unwrap_or_default(),
        "HealthStatus": event.health_status.as_deref().unwrap_or_default(),
        "ID": event.id,
        "Image": event.image,
        "Name": event.name,
        "Network": "",
        "OOMKilled": event.oom_killed.unwrap_or(false),
        "PodID": "",
        "Status": event.status,
        "Time": time::go_string(event.at()),
        "Type": event.kind,
    })
}

/// Wakes at each write. Without it (no watches left) the tick alone is used.
fn watch(reader: &EventReader) -> Option<OwnedFd> {
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
    let flags =
        inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&fd, reader.dir(), flags).ok()?;
    Some(fd)
}

/// Until something was written, or it is time to look again. False: nobody reads what we write.
fn wait(watch: Option<&OwnedFd>, until: i64) -> anyhow::Result<bool> {
    let output = std::io::stdout();
    // Only that the other end was closed is told unasked (poll(2)).
    let mut fds = vec![PollFd::new(&output, PollFlags::empty())];
    fds.extend(watch.iter().map(|fd| PollFd::new(*fd, PollFlags::IN)));
    let left = until.saturating_sub(time::now()).max(0);
    let most = if watch.is_some() { left } else { left.min(TICK) };
    let time = Timespec { tv_sec: most / 1_000_000_000, tv_nsec: most % 1_000_000_000 };
    match poll(&mut fds, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(io::Error::from(e)).context("wait for events"),
    }
    if fds[0].revents().contains(PollFlags::ERR) {
        return Ok(false);
    }
    if let Some(fd) = watch {
        let mut events = [0u8; 4096];
        while rustix::io::read(fd, &mut events).is_ok_and(|n| n == events.len()) {}
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn died() -> Event {
        Event {
            container_exit_code: Some(3),
            id: "e07e1eb6370a".repeat(5) + "abcd",
            image: "localhost/lay:latest".into(),
            name: "r2".into(),
            status: "died".into(),
            time: "2026-11-26T05:02:56.214560308Z".into(),
            kind: "container".into(),
            attributes: Some(BTreeMap::from([
                ("a".into(), "1".into()),
                ("maker".into(), "me".into()),
            ])),
            ..Event::default()
        }
    }

    /// The lines are podman 4.3.1's, recorded.
    #[test]
    fn lines_are_podmans() {
        let id = "e07e1eb6370a".repeat(5) + "abcd";
        let said = plain(&died(), true);
        let tail =
            format!("container died {id} (image=localhost/lay:latest, name=r2, a=1, maker=me)");
        assert!(said.starts_with("2026-11-26 ") && said.ends_with(&tail), "{said}");
        assert!(plain(&died(), false).contains(" died e07e1eb6370a ("));
        let image = Event { kind: "image".into(), attributes: None, ..died() };
        assert!(plain(&image, true).ends_with(&format!("image died {id} r2")));
        let volume = Event { kind: "volume".into(), id: String::new(), ..image };
        assert!(plain(&volume, true).ends_with("volume died r2"));
        let mut text = String::new();
        Show::of(Some("{{.Type}} {{.ContainerExitCode}} {{.Attributes}} {{.OOMKilled}}"), true)
            .unwrap()
            .line(&died(), &mut text)
            .unwrap();
        assert_eq!(text, "container 3 map[a:1 maker:me] false\n");
        assert!(Show::of(Some("{{"), true).is_err());
    }

    #[test]
    fn filters_are_alternatives_but_for_labels() {
        let takes = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|w| (*w).to_owned()).collect();
            let wanted = wanted(&words).unwrap();
            Choice { since: i64::MIN, until: i64::MAX, wanted }.takes(&died())
        };
        for words in [
            &["event=start", "event=died"][..],
            &["container=r2", "type=container"],
            &["container=e07e"],
            &["event=die"],
            &["status=died"],
            &["label=a", "label=maker=me"],
        ] {
            assert!(takes(words), "{words:?}");
        }
        for words in [
            &["event=died", "type=image"][..],
            &["container=r", "event=died"],
            &["label=a", "label=b"],
            &["image=localhost/lay:latest"],
            &["pod=x"],
            &["artifact=r2"],
            &["type=artifact"],
            &["status=start"],
        ] {
            assert!(!takes(words), "{words:?}");
        }
        let bad = |word: &str| wanted(&[word.to_owned()]).unwrap_err();
        assert!(matches!(bad("color=red"), BadFilter::Key { .. }));
        assert!(matches!(bad("type=planet"), BadFilter::Value { .. }));
        let at = died().at();
        let within =
            |since, until| Choice { since, until, wanted: Wanted::default() }.takes(&died());
        assert!(within(at, at) && !within(at + 1, i64::MAX) && !within(i64::MIN, at - 1));
    }
}
