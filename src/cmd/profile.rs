//! `bolt profile`: optimisation profiles in registries: pushed, listed, shown, fetched.

mod find;
mod list;

use crate::cmd::pull::Sources;
use crate::cmd::remote::{Way, place_of, write_whole};
use crate::image::artifact::{Artifact, describe};
use crate::image::manifest::media_type;
use crate::image::registry::{Repository, Rights};
use crate::profile::{MAX_PROFILE, MEDIA_TYPE, Summary};
use crate::settings::Settings;
use crate::sys::small;
use crate::ui::print;
use crate::ui::progress::Transfer;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// Push, list, show and fetch optimisation profiles
///
/// A profile is an artifact of any registry, alone under a tag or attached to an image. Where a
/// Drift server has its own list of profiles, that is read.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the profiles of a registry, a repository or an image
    #[command(visible_alias = "list")]
    Ls(list::Ls),
    /// Fetch a profile into a file
    Pull(Pull),
    /// Push a profile
    Push(Push),
    /// Show a profile
    Show {
        /// HOST/NAME[:TAG] or bolt://NAME[:TAG]: a profile, an image with one attached, or the
        /// name of one at a Drift
        reference: String,
        #[command(flatten)]
        way: Way,
    },
}

/// `bolt profile push`.
#[derive(Debug, clap::Args)]
struct Push {
    /// The profile
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// HOST/NAME[:TAG] or bolt://NAME[:TAG] that the profile gets; with --attach, an image that is
    /// there
    reference: String,
    /// Attach the profile to the image
    #[arg(long)]
    attach: bool,
    #[command(flatten)]
    way: Way,
    /// Suppress progress
    #[arg(short, long)]
    quiet: bool,
}

/// `bolt profile pull`.
#[derive(Debug, clap::Args)]
struct Pull {
    /// HOST/NAME[:TAG] or bolt://NAME[:TAG]: a profile, an image with one attached, or the name of
    /// one at a Drift
    reference: String,
    /// The file, - for stdout; without it the name's last part with .toml, in this directory
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file where it is there
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    way: Way,
}

/// Runs the verb behind `profile`.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Ls(args) => list::run(&args, settings),
        Verb::Pull(args) => pull(&args, settings),
        Verb::Push(args) => push(&args, settings),
        Verb::Show { reference, way } => {
            let sources = Sources::load(settings, &way.access())?;
            let reference = place_of(&reference, &sources.drift)?;
            print::stdout(&find::profile(&reference, &way, &sources)?)?;
            Ok(0)
        }
    }
}

fn push(args: &Push, settings: &Settings) -> anyhow::Result<u8> {
    let text = read(&args.file)?;
    let summary =
        Summary::read(&text).with_context(|| format!("{}: no profile", args.file.display()))?;
    let sources = Sources::load(settings, &args.way.access())?;
    let reference = place_of(&args.reference, &sources.drift)?.with_default_tag();
    if reference.digest().is_some() && !args.attach {
        bail!("{reference}: a digest cannot be given; write a tag");
    }
    let progress = Transfer::new(args.quiet);
    let repository = args.way.repository(&sources, reference.clone(), Rights::Push, &progress)?;
    let artifact = Artifact {
        artifact_type: MEDIA_TYPE.to_owned(),
        part: describe(MEDIA_TYPE, text.as_bytes()),
        annotations: summary.annotations(),
    };
    let digest = (|| {
        if args.attach {
            let image = repository.named()?;
            let mut subject = describe(&media_type(&image.bytes, &image.media_type), &image.bytes);
            subject.digest = image.digest;
            return Ok(repository.put_artifact(
                &artifact,
                text.as_bytes(),
                None,
                Some(&subject),
            )?);
        }
        let tag = reference.tag().unwrap_or("latest");
        spare(&repository, tag)?;
        anyhow::Ok(repository.put_artifact(&artifact, text.as_bytes(), Some(tag), None)?)
    })()
    .with_context(|| format!("push {} to {reference}", args.file.display()))?;
    if !args.quiet {
        let how = if args.attach { "attached" } else { "pushed" };
        print::stderr_bytes(format!("{reference}: {how} as {digest}\n").as_bytes());
    }
    Ok(0)
}

/// Refuses to take the tag of something else: an image would be gone.
fn spare(repository: &Repository<'_>, tag: &str) -> anyhow::Result<()> {
    if let Some(there) = repository.find_manifest(tag)?
        && Artifact::parse(&there.bytes, MEDIA_TYPE).is_err()
    {
        bail!("the tag is taken by something that is no profile; --attach adds a profile to it");
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    let about = || format!("read {}", file.display());
    let text = match small::read_at_most(file, MAX_PROFILE) {
        Err(e) if e.kind() == std::io::ErrorKind::FileTooLarge => {
            bail!("{} is larger than {MAX_PROFILE} bytes: that is no profile", file.display())
        }
        other => other.with_context(about)?,
    };
    String::from_utf8(text).with_context(about)
}

fn pull(args: &Pull, settings: &Settings) -> anyhow::Result<u8> {
    let sources = Sources::load(settings, &args.way.access())?;
    let reference = place_of(&args.reference, &sources.drift)?;
    if args.output.as_deref() == Some(Path::new("-")) {
        print::stdout(&find::profile(&reference, &args.way, &sources)?)?;
        return Ok(0);
    }
    let file = args.output.clone().unwrap_or_else(|| {
        let last = reference.repository().rsplit('/').next().unwrap_or_default();
        PathBuf::from(format!("{last}.toml"))
    });
    if !args.force && file.symlink_metadata().is_ok() {
        bail!("{} exists already; --force replaces it", file.display());
    }
    let text = find::profile(&reference, &args.way, &sources)?;
    write_whole(&file, text.as_bytes())?;
    print::stdout(&format!("{}\n", file.display()))?;
    Ok(0)
}
