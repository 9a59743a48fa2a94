//! `bolt profile ls`.

use crate::cmd::output;
use crate::cmd::pull::Sources;
use crate::cmd::remote::{Way, place_of};
use crate::cmd::search::vendors;
use crate::cmd::walk::Walk;
use crate::image::artifact::Artifact;
use crate::image::drift_api::{self, Bounds, ProfileQuery, RemoteProfile};
use crate::image::progress::Progress;
use crate::image::reference::{Reference, is_registry};
use crate::image::registry::{Repository, Rights};
use crate::image::types::Digest;
use crate::profile::{MEDIA_TYPE, Summary};
use crate::settings::Settings;
use crate::ui::print;
use crate::ui::progress::Transfer;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Most repositories and manifests together that are looked at in one listing.
const MAX_LOOKS: usize = 2000;

/// `bolt profile ls`.
#[derive(Debug, clap::Args)]
pub(super) struct Ls {
    /// HOST: all of a registry; HOST/NAME or bolt://NAME: a repository, with those attached to its
    /// images; with :TAG: attached to that image
    place: String,
    /// Only those with this word in name, description, tags or games
    #[arg(long, value_name = "WORD")]
    search: Option<String>,
    /// Only those for GPUs of this vendor
    #[arg(long, value_name = "VENDOR", value_parser = vendors(), ignore_case = true)]
    gpu: Option<String>,
    /// Print as a table, as "json", or by a Go template for each profile
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print references only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    way: Way,
}

/// Prints a row for each profile.
pub(super) fn run(args: &Ls, settings: &Settings) -> anyhow::Result<u8> {
    let sources = Sources::load(settings, &args.way.access())?;
    let progress = Transfer::new(true);
    let query = ProfileQuery { text: args.search.clone(), gpu: args.gpu.clone() };
    let lister = Lister {
        way: &args.way,
        sources: &sources,
        progress: &progress,
        query,
        walk: Walk::of(MAX_LOOKS),
        bounds: RefCell::default(),
    };
    let rows = match args.place.contains('/') {
        false if is_registry(&args.place) => lister.registry(&args.place.to_ascii_lowercase())?,
        false => bail!("{:?} is no registry", args.place),
        true => lister.below(place_of(&args.place, &sources.drift)?)?,
    };
    lister.tell(&args.place);
    if args.quiet {
        let line = |row: &Value| format!("{}\n", row["Reference"].as_str().unwrap_or_default());
        print::stdout(&rows.iter().map(line).collect::<String>())?;
        return Ok(0);
    }
    let columns = "{{.Name}}\t{{.Version}}\t{{.Gpu}}\t{{.Description}}\t{{.Reference}}";
    output::table(&rows, columns, &[("Gpu", "GPU")], args.format.as_deref(), false)?;
    Ok(0)
}

/// A profile as it is listed.
fn row(profile: &RemoteProfile, reference: &str, digest: Option<&Digest>) -> Value {
    json!({
        "Name": profile.name,
        "Version": profile.version,
        "Description": profile.description,
        "Author": profile.author,
        "Tags": profile.tags,
        "Games": profile.games,
        "Gpu": profile.gpu,
        "Downloads": profile.downloads,
        "Rating": profile.rating,
        "Reference": reference,
        "Digest": digest,
    })
}

/// Whether a tag is that of a list of referrers, in registries that keep none.
fn is_fallback(tag: &str) -> bool {
    tag.split_once('-')
        .is_some_and(|(algorithm, hex)| format!("{algorithm}:{hex}").parse::<Digest>().is_ok())
}

/// Lists what matches, wherever it lies.
struct Lister<'a> {
    way: &'a Way,
    sources: &'a Sources,
    progress: &'a dyn Progress,
    query: ProfileQuery,
    walk: Walk,
    /// Of what manifests say of themselves.
    bounds: RefCell<Bounds>,
}

impl Lister<'_> {
    /// By `/v1` where the server has it, else by the catalog.
    fn registry(&self, registry: &str) -> anyhow::Result<Vec<Value>> {
        let host = self.way.host(self.sources, registry, self.progress)?;
        if let Some(found) = drift_api::profiles(&host, &self.query)? {
            let reference = |p: &RemoteProfile| format!("{registry}/{}", p.name);
            return Ok(found.iter().map(|p| row(p, &reference(p), None)).collect());
        }
        let catalog =
            host.catalog(self.walk.until()).with_context(|| format!("list {registry}"))?;
        if !catalog.whole {
            self.walk.cut_catalog();
        }
        let mut rows = Vec::new();
        for repository in catalog.names {
            // A server may call its repositories what it likes.
            let Ok(reference) = Reference::parse(&format!("{registry}/{repository}")) else {
                continue;
            };
            if !self.walk.look() {
                break;
            }
            match self.below(reference) {
                Ok(found) => rows.extend(found),
                Err(_) if self.walk.is_late() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// Says in a line each what was not looked at, and what does not fit in a list.
    fn tell(&self, place: &str) {
        let narrow = match place.contains('/') {
            false => "list one of its repositories with `bolt profile ls HOST/NAME`",
            true => "name one of its tags with `bolt profile ls HOST/NAME:TAG`",
        };
        if let Some(told) = self.walk.told(place, narrow) {
            print::warning(&told);
        }
        if let Some(told) = self.bounds.borrow().told() {
            print::warning(&format!("{place}: {told}"));
        }
    }

    /// A repository's profiles, or those attached to one of its manifests.
    fn below(&self, reference: Reference) -> anyhow::Result<Vec<Value>> {
        let named = reference.tag().is_some() || reference.digest().is_some();
        let repository =
            self.way.repository(self.sources, reference, Rights::Pull, self.progress)?;
        let repository = repository.asked_until(self.walk.until());
        if named { self.attached(&repository) } else { self.tagged(&repository) }
    }

    /// Those under the tags, and those attached to the images under them.
    fn tagged(&self, repository: &Repository<'_>) -> anyhow::Result<Vec<Value>> {
        let (mut rows, mut seen, mut images) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for tag in repository.tags()?.into_iter().filter(|t| !is_fallback(t)) {
            if !self.walk.look() {
                return Ok(rows);
            }
            let raw = match repository.find_manifest(&tag) {
                Ok(Some(raw)) => raw,
                Ok(None) => continue,
                Err(_) if self.walk.is_late() => return Ok(rows),
                Err(error) => return Err(error.into()),
            };
            if let Ok(artifact) = Artifact::parse(&raw.bytes, MEDIA_TYPE) {
                let reference = format!("{}:{tag}", repository.reference().name());
                rows.extend(self.row(&artifact, &reference, &raw.digest));
                seen.insert(raw.digest);
            } else {
                images.insert(raw.digest);
            }
        }
        for image in &images {
            rows.extend(self.referring(repository, image, &mut seen)?);
        }
        Ok(rows)
    }

    fn attached(&self, repository: &Repository<'_>) -> anyhow::Result<Vec<Value>> {
        let raw = repository.named()?;
        let own = repository.reference();
        if let Ok(artifact) = Artifact::parse(&raw.bytes, MEDIA_TYPE) {
            return Ok(self.row(&artifact, &own.to_string(), &raw.digest).into_iter().collect());
        }
        self.referring(repository, &raw.digest, &mut BTreeSet::new())
    }

    /// Those attached to a manifest, without those that were `seen`.
    fn referring(
        &self,
        repository: &Repository<'_>,
        image: &Digest,
        seen: &mut BTreeSet<Digest>,
    ) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        if !self.walk.look() {
            return Ok(rows);
        }
        let mut all = match repository.referrers(image, Some(MEDIA_TYPE)) {
            Err(_) if self.walk.is_late() => return Ok(rows),
            other => other?,
        };
        all.retain(|referrer| seen.insert(referrer.manifest.digest.clone()));
        for referrer in all {
            let digest = referrer.manifest.digest;
            if !self.walk.look() {
                break;
            }
            let found = match repository.manifest(digest.as_str()) {
                Err(_) if self.walk.is_late() => break,
                other => other?,
            };
            let reference = repository.reference().at_digest(digest.clone()).to_string();
            let artifact =
                Artifact::parse(&found.bytes, MEDIA_TYPE).with_context(|| reference.clone())?;
            rows.extend(self.row(&artifact, &reference, &digest));
        }
        Ok(rows)
    }

    fn row(&self, artifact: &Artifact, reference: &str, digest: &Digest) -> Option<Value> {
        let Summary { name, version, description, author, tags, games, gpu } =
            Summary::of_annotations(&artifact.annotations);
        let profile = RemoteProfile {
            name,
            version,
            description,
            author,
            tags,
            games,
            gpu,
            ..RemoteProfile::default()
        };
        let profile = self.bounds.borrow_mut().profile(profile)?;
        profile.matches(&self.query).then(|| row(&profile, reference, Some(digest)))
    }
}
