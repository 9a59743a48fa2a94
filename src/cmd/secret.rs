//! `bolt secret`: what containers are told and nobody else.

mod input;

use super::selection::report;
use crate::container::events::Event;
use crate::container::secret::{Over, Record, SecretError, Secrets};
use crate::container::time;
use crate::exit;
use crate::settings::Settings;
use crate::ui::filter::Wanted;
use crate::ui::{human, print};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Manage secrets
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Create a secret and print its ID
    Create(Create),
    /// List secrets
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show secrets in detail, without their values unless those are asked for
    Inspect {
        /// Names or IDs
        #[arg(required = true, value_name = "SECRET")]
        secrets: Vec<String>,
        /// Go template or json
        #[arg(short, long, conflicts_with = "pretty")]
        format: Option<String>,
        /// For reading
        #[arg(long)]
        pretty: bool,
        /// Show the values too, as .SecretData
        #[arg(long, conflicts_with = "pretty")]
        showsecret: bool,
    },
    /// Remove secrets; containers that were created with them keep what they got
    #[command(visible_alias = "remove")]
    Rm {
        /// Names or IDs
        #[arg(required_unless_present = "all", value_name = "SECRET")]
        secrets: Vec<String>,
        /// All secrets
        #[arg(short, long, conflicts_with = "secrets")]
        all: bool,
    },
    /// Exit with 0 if the secret exists, else with 1
    Exists {
        /// Name or ID
        secret: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// SOURCE is a variable of the environment
    #[arg(long)]
    env: bool,
    /// Set a label
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Where secrets are kept: file
    #[arg(short, long, value_name = "DRIVER", default_value = "file", value_parser = ["file"])]
    driver: String,
    /// Replace the secret of that name, if there is one; containers that have it keep what they got
    #[arg(long)]
    replace: bool,
    /// Name
    name: String,
    /// File with the value, or - for standard input
    #[arg(value_name = "FILE|-")]
    source: String,
}

#[derive(Debug, clap::Args)]
struct Ls {
    /// Only IDs
    #[arg(short, long)]
    quiet: bool,
    /// Only secrets that match: name, id
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Go template or json
    #[arg(long)]
    format: Option<String>,
    /// No heading
    #[arg(short, long)]
    noheading: bool,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let secrets = Secrets::open(&settings.dirs)?;
    match args.verb {
        Verb::Create(args) => create(&args, settings, &secrets),
        Verb::Ls(ls) => show(&secrets, &ls),
        Verb::Inspect { secrets: wanted, format, pretty, showsecret } => {
            let how = if pretty { Shown::ForReading } else { Shown::Data { value: showsecret } };
            inspect(&secrets, &wanted, format.as_deref(), how)
        }
        Verb::Rm { secrets: wanted, all } => rm(settings, &secrets, wanted, all),
        Verb::Exists { secret } => match secrets.find(&secret) {
            Ok(_) => Ok(0),
            Err(SecretError::NotFound(_)) => Ok(exit::NO),
            Err(e) => Err(e.into()),
        },
    }
}

fn create(args: &Create, settings: &Settings, secrets: &Secrets) -> anyhow::Result<u8> {
    let pair = |word: &String| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (word.clone(), String::new()),
    };
    let labels: BTreeMap<_, _> = args.label.iter().map(pair).collect();
    let over = if args.replace { Over::Anybody } else { Over::Nobody };
    // Before anybody is asked for the value.
    if over == Over::Nobody {
        secrets.is_free(&args.name)?;
    }
    let value = if args.env { input::variable(&args.source) } else { input::read(&args.source) }?;
    let record = secrets.create(&args.name, &value, labels, over)?;
    tell(settings, "create", &record.name, &record.id);
    print::line(&record.id);
    Ok(0)
}

fn tell(settings: &Settings, what: &str, name: &str, id: &str) {
    let event = Event { id: id.to_owned(), ..Event::of("secret", what, name) };
    settings.event_log().write(&event);
}

fn show(secrets: &Secrets, ls: &Ls) -> anyhow::Result<u8> {
    let wanted = Wanted::parse(&ls.filter, "secrets", &["name", "id"], |_, _| Ok(()))?;
    let mut found = secrets.list()?;
    found.retain(|secret| {
        wanted.iter().all(|(key, values)| {
            values.iter().any(|value| match key {
                "name" => secret.name.contains(value.as_str()),
                _ => secret.id.starts_with(value.as_str()),
            })
        })
    });
    if ls.quiet {
        found.iter().for_each(|secret| print::line(&secret.id));
        return Ok(0);
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    let columns = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}";
    let headings = [("CreatedAt", "CREATED"), ("UpdatedAt", "UPDATED")];
    super::output::table(&rows, columns, &headings, ls.format.as_deref(), ls.noheading)?;
    Ok(0)
}

fn row(secret: &Record) -> Value {
    let now = time::now();
    let ago = |at: i64| {
        let age = u64::try_from(now.saturating_sub(at)).unwrap_or(0);
        format!("{} ago", human::duration(Duration::from_nanos(age)))
    };
    json!({
        "ID": secret.id,
        "Name": secret.name,
        "Driver": "file",
        "CreatedAt": ago(secret.created),
        "UpdatedAt": ago(secret.updated()),
    })
}

fn detail(secrets: &Secrets, secret: &Record) -> Value {
    json!({
        "ID": secret.id,
        "CreatedAt": time::rfc3339_utc(secret.created),
        "UpdatedAt": time::rfc3339_utc(secret.updated()),
        "Spec": {
            "Name": secret.name,
            "Driver": { "Name": "file", "Options": { "path": secrets.path() } },
            "Labels": secret.labels,
        },
    })
}

fn pretty(secret: &Record) -> String {
    let (made, renewed) = (time::go_string(secret.created), time::go_string(secret.updated()));
    let labels: String =
        secret.labels.iter().map(|(key, value)| format!(" - {key}={value}\n")).collect();
    let Record { id, name, .. } = secret;
    let text = format!(
        "ID:              {id}\nName:              {name}\nLabels:\n{labels}Driver:            file\n\
         Created at:        {made}\nUpdated at:        {renewed}\n"
    );
    print::escaped_text(&text).into_owned()
}

/// How secrets are shown in detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Without values.
    ForReading,
    /// As JSON, or by a template; with the values or without.
    Data { value: bool },
}

/// One in detail, with its value; bytes that are no UTF-8 are replaced, as podman's are.
fn whole(secrets: &Secrets, wanted: &str) -> Result<(Record, Value), SecretError> {
    let (secret, value) = secrets.value(wanted)?;
    let mut row = detail(secrets, &secret);
    row["SecretData"] = String::from_utf8_lossy(value.bytes()).into();
    Ok((secret, row))
}

fn inspect(
    secrets: &Secrets,
    wanted: &[String],
    format: Option<&str>,
    how: Shown,
) -> anyhow::Result<u8> {
    let mut found = Vec::new();
    let mut code = 0;
    for name in wanted {
        let one = match how {
            Shown::Data { value: true } => whole(secrets, name),
            _ => secrets.find(name).map(|secret| {
                let row = detail(secrets, &secret);
                (secret, row)
            }),
        };
        match one {
            Ok(one) => found.push(one),
            Err(e) => {
                report(&e.into());
                code = exit::ENGINE;
            }
        }
    }
    if how == Shown::ForReading {
        print::stdout(&found.iter().map(|(secret, _)| pretty(secret)).collect::<String>())?;
        return Ok(code);
    }
    let rows: Vec<_> = found.into_iter().map(|(_, row)| row).collect();
    super::output::objects(&rows, format)?;
    Ok(code)
}

fn rm(
    settings: &Settings,
    secrets: &Secrets,
    wanted: Vec<String>,
    all: bool,
) -> anyhow::Result<u8> {
    let wanted = if all { secrets.taken()? } else { wanted };
    let mut code = 0;
    for name in wanted {
        let found = match secrets.find(&name) {
            Ok(secret) => Ok((secret.name, secret.id)),
            // What is left of it goes by its name.
            Err(SecretError::Damaged(name)) => Ok((name.clone(), name)),
            Err(e) => Err(e),
        };
        let removed = found.and_then(|(name, id)| secrets.remove(&name).map(|()| (name, id)));
        match removed {
            Ok((name, id)) => {
                tell(settings, "remove", &name, &id);
                print::line(&id);
            }
            Err(e) => {
                report(&e.into());
                code = exit::ENGINE;
            }
        }
    }
    Ok(code)
}
