//! `bolt search`: games, profiles and other images of registries.

use crate::cmd::output;
use crate::cmd::pull::Sources;
use crate::cmd::remote::Way;
use crate::cmd::walk::Walk;
use crate::game::annotations;
use crate::game::metadata::{Metadata, Tier};
use crate::gpu::Vendor;
use crate::image::artifact::{self, Artifact, describe};
use crate::image::drift_api::{self, Bounds, Package, PackageQuery, ProfileQuery};
use crate::image::manifest::{self, Document, parse};
use crate::image::progress::Progress;
use crate::image::reference::{Reference, is_registry};
use crate::image::registry::{Host, Rights};
use crate::image::versions::Range;
use crate::profile::{MEDIA_TYPE, Summary};
use crate::settings::Settings;
use crate::ui::print;
use crate::ui::progress::Transfer;
use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use std::time::Instant;

/// What `--gpu` takes.
pub(super) fn vendors() -> PossibleValuesParser {
    Vendor::ALL.map(Vendor::word).into()
}

/// What `--tier` takes.
fn tiers() -> PossibleValuesParser {
    Tier::ALL.map(Tier::shown).into()
}

/// Most repositories of one registry that are looked into though their names lack the word.
const MAX_LOOKS: usize = 100;
/// Most of all that are looked into.
const MAX_ALL: usize = 1000;
/// Most that are told to be broken.
const MAX_TOLD: usize = 5;

/// Search registries for games, profiles and images
///
/// A Drift server's own search is asked where it has one; of other registries the catalog is
/// looked through, and the metadata that images carry.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// WORD, or HOST/WORD to search one registry; HOST/ for all of it. Without a registry the
    /// default one of registries.toml is searched, else those of registries.conf
    #[arg(value_name = "TERM", default_value = "", hide_default_value = true)]
    term: String,
    /// Only what is for GPUs of this vendor
    #[arg(long, value_name = "VENDOR", value_parser = vendors(), ignore_case = true)]
    gpu: Option<String>,
    /// Only games that are known to run with this version of Proton
    #[arg(long, value_name = "VERSION")]
    proton: Option<String>,
    /// Only games of this performance tier
    #[arg(long, value_name = "TIER", value_parser = tiers(), ignore_case = true)]
    tier: Option<String>,
    /// At most so many results of each registry
    #[arg(long, value_name = "N", default_value_t = 25)]
    limit: usize,
    /// Print as a table, as "json", or by a Go template for each result
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    #[command(flatten)]
    way: Way,
}

/// Prints a row for each result.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    let sources = Sources::load(settings, &args.way.access())?;
    let (registries, word) = places(&args.term, &sources)?;
    let progress = Transfer::new(true);
    let search = Search { args, word: &word, sources: &sources, progress: &progress };
    let mut rows = Vec::new();
    for registry in &registries {
        match search.registry(registry).with_context(|| format!("search {registry}")) {
            Ok(found) => rows.extend(found),
            // Another one may have it.
            Err(error) if registries.len() > 1 => print::warning(&format!("{error:#}")),
            Err(error) => return Err(error),
        }
    }
    let columns = "{{.Kind}}\t{{.Name}}\t{{.Version}}\t{{.Tier}}\t{{.Gpu}}\t{{.Description}}";
    output::table(&rows, columns, &[("Gpu", "GPU")], args.format.as_deref(), false)?;
    Ok(0)
}

/// The registries to ask, and the word to look for.
fn places(term: &str, sources: &Sources) -> anyhow::Result<(Vec<String>, String)> {
    if let Some((host, word)) = term.split_once('/')
        && (host.contains(['.', ':']) || host == "localhost")
    {
        if !is_registry(host) {
            bail!("{host:?} is not a registry; write HOST/WORD or WORD");
        }
        return Ok((vec![host.to_ascii_lowercase()], word.to_owned()));
    }
    if let Some(drift) = sources.drift.default_registry() {
        let host = drift.location.split('/').next().unwrap_or_default();
        return Ok((vec![host.to_owned()], term.to_owned()));
    }
    let registries = sources.registries.search_registries().to_vec();
    if registries.is_empty() {
        bail!("no registry is configured for searches; write HOST/{term}");
    }
    Ok((registries, term.to_owned()))
}

struct Search<'a> {
    args: &'a Args,
    word: &'a str,
    sources: &'a Sources,
    progress: &'a dyn Progress,
}

impl Search<'_> {
    fn registry(&self, registry: &str) -> anyhow::Result<Vec<Value>> {
        let host = self.args.way.host(self.sources, registry, self.progress)?;
        let query = PackageQuery {
            text: self.word.to_owned(),
            proton: self.args.proton.clone(),
            gpu: self.args.gpu.clone(),
            tier: self.args.tier.clone(),
        };
        let mut rows: Vec<Value> = match drift_api::packages(&host, &query)? {
            Some(found) => found.iter().map(|p| package_row(registry, "game", p)).collect(),
            None => Vec::new(),
        };
        let profiles = self.profiles(&host, registry)?;
        if rows.is_empty() {
            rows = match self.catalog(&host, registry, &query) {
                // The server has its own list of the rest.
                Err(error) if !profiles.is_empty() => {
                    print::warning(&format!("{error:#}"));
                    Vec::new()
                }
                other => other?,
            };
            rows.retain(|row| profiles.iter().all(|listed| listed["Name"] != row["Name"]));
        }
        rows.extend(profiles);
        rows.truncate(self.args.limit);
        Ok(rows)
    }

    /// Of a Drift's own list. Profiles have neither tier nor Proton.
    fn profiles(&self, host: &Host<'_>, registry: &str) -> anyhow::Result<Vec<Value>> {
        if self.args.tier.is_some() || self.args.proton.is_some() {
            return Ok(Vec::new());
        }
        let text = Some(self.word.to_owned()).filter(|word| !word.is_empty());
        let query = ProfileQuery { text, gpu: self.args.gpu.clone() };
        let found = drift_api::profiles(host, &query)?.unwrap_or_default();
        let row = |p: &drift_api::RemoteProfile| {
            let gpus = Some(p.gpu.clone()).filter(|gpu| !gpu.is_empty());
            let package = Package {
                name: p.name.clone(),
                version: p.version.clone(),
                description: p.description.clone(),
                gpus: gpus.into_iter().collect(),
                ..Package::default()
            };
            package_row(registry, "profile", &package)
        };
        Ok(found.iter().map(row).collect())
    }

    /// Looks through the catalog: what has the word in its name first, then what the others say of
    /// themselves.
    fn catalog(
        &self,
        host: &Host<'_>,
        registry: &str,
        query: &PackageQuery,
    ) -> anyhow::Result<Vec<Value>> {
        let word = self.word.to_lowercase();
        let walk = Walk::of(MAX_ALL);
        let catalog = host.catalog(walk.until())?;
        if !catalog.whole {
            walk.cut_catalog();
        }
        let places = catalog.names.into_iter().filter_map(|name| {
            let reference = Reference::parse(&format!("{registry}/{name}")).ok()?;
            let named = self.sources.drift.own_name(&reference).to_lowercase().contains(&word);
            Some((name, reference, named))
        });
        let (named, others): (Vec<_>, Vec<_>) = places.partition(|(_, _, named)| *named);
        let left = others.len().saturating_sub(MAX_LOOKS);
        // The word is looked for here: a location's path is no part of a name.
        let rest = PackageQuery { text: String::new(), ..query.clone() };
        let (mut rows, mut bounds, mut broken) = (Vec::new(), Bounds::default(), 0);
        for (name, reference, named) in named.into_iter().chain(others.into_iter().take(MAX_LOOKS))
        {
            if rows.len() >= self.args.limit || !walk.look() {
                break;
            }
            let found = match self.look(reference, name, walk.until()) {
                Ok(found) => found,
                Err(_) if walk.is_late() => break,
                // One that is broken hides no other.
                Err(error) => {
                    broken += usize::from(named);
                    match named && broken <= MAX_TOLD {
                        true => print::warning(&format!("{error:#}")),
                        false => tracing::debug!("{error:#}"),
                    }
                    continue;
                }
            };
            let Some((kind, found)) = found else { continue };
            let Some(found) = bounds.package(found) else { continue };
            let told = query.tier.is_none() || !found.tier.is_empty();
            let told = told && (query.gpu.is_none() || !found.gpus.is_empty());
            let told = told && (query.proton.is_none() || !found.proton.is_empty());
            let meant = named || found.description.to_lowercase().contains(&word);
            if told && meant && found.matches(&rest) {
                rows.push(package_row(registry, kind, &found));
            }
        }
        if let Some(told) = bounds.told() {
            print::warning(&format!("{registry}: {told}"));
        }
        if let Some(more) = broken.checked_sub(MAX_TOLD + 1) {
            print::warning(&format!("{registry}: {} more could not be read", more + 1));
        }
        if rows.len() < self.args.limit {
            self.tell_unseen(registry, &walk, left);
        }
        Ok(rows)
    }

    /// One line about what was not looked into.
    fn tell_unseen(&self, registry: &str, walk: &Walk, left: usize) {
        if let Some(told) = walk.told(registry, "write more of the name") {
            print::warning(&told);
        } else if left > 0 {
            print::warning(&format!(
                "{registry}: {left} repositories whose names lack {:?} were not looked into",
                self.word
            ));
        }
    }

    /// What lies in a repository, by its tag `latest` or else the newest version.
    fn look(
        &self,
        reference: Reference,
        name: String,
        until: Instant,
    ) -> anyhow::Result<Option<(&'static str, Package)>> {
        let way = &self.args.way;
        let repository = way.repository(self.sources, reference, Rights::Pull, self.progress)?;
        let repository = repository.asked_until(until);
        let tags = repository.tags()?;
        let plain = || tags.iter().filter(|tag| !tag.starts_with("sha256-"));
        let newest = Range::parse("*")?.newest(plain().map(String::as_str));
        let named = |wanted: &str| tags.iter().find(|tag| *tag == wanted);
        let latest = named("latest").or_else(|| newest.and_then(named));
        let latest = latest.or_else(|| plain().next_back());
        let Some(tag) = latest else { return Ok(None) };
        let Some(raw) = repository.find_manifest(tag)? else { return Ok(None) };
        let mut found = Package { name, version: tag.clone(), ..Package::default() };
        if let Ok(artifact) = Artifact::parse(&raw.bytes, MEDIA_TYPE) {
            let summary = Summary::of_annotations(&artifact.annotations);
            found.description = summary.description;
            found.gpus = Some(summary.gpu).filter(|gpu| !gpu.is_empty()).into_iter().collect();
            return Ok(Some(("profile", found)));
        }
        let entries = match parse(&raw.bytes, &raw.media_type) {
            Ok(Document::Index(entries)) => entries,
            // Of one image: what it says itself, or what was put beside it since.
            Ok(Document::Manifest(_)) => {
                let mut alone = describe(&raw.media_type, &raw.bytes);
                alone.annotations = manifest::annotations(&raw.bytes);
                let beside = match alone.annotations.contains_key(annotations::KEY) {
                    true => Vec::new(),
                    false => repository.referrers(&raw.digest, Some(annotations::ARTIFACT))?,
                };
                vec![artifact::newest(&beside).cloned().unwrap_or(alone)]
            }
            Err(_) => return Ok(Some(("image", found))),
        };
        let mut kind = "image";
        for entry in &entries {
            let said = annotations::read(&entry.annotations).with_context(|| {
                let own = repository.reference().name();
                format!("{own}:{tag}: manifest {}: {}", entry.digest, annotations::KEY)
            })?;
            if let Some(metadata) = said {
                add(&metadata, &mut found);
                kind = "game";
            }
        }
        Ok(Some((kind, found)))
    }
}

/// Adds what one variant says: a game has what its variants have.
fn add(metadata: &Metadata, package: &mut Package) {
    if package.description.is_empty() {
        package.description = metadata.title.clone().unwrap_or_default();
    }
    if let Some(tier) = metadata.tier.map(|tier| tier.shown())
        && !package.tier.split(',').any(|known| known == tier)
    {
        let comma = if package.tier.is_empty() { "" } else { "," };
        package.tier = format!("{}{comma}{tier}", package.tier);
    }
    let gpus = metadata.gpu.iter().map(|need| need.vendor.word().to_owned());
    let proton = metadata.proton.iter();
    let builds = proton.flat_map(|p| p.bundled.iter().chain(&p.builds)).cloned();
    for (list, more) in
        [(&mut package.gpus, gpus.collect::<Vec<_>>()), (&mut package.proton, builds.collect())]
    {
        for word in more {
            if !list.contains(&word) {
                list.push(word);
            }
        }
    }
}

fn package_row(registry: &str, kind: &str, package: &Package) -> Value {
    json!({
        "Kind": kind,
        "Name": format!("{registry}/{}", package.name),
        "Version": package.version,
        "Description": package.description,
        "Tier": package.tier,
        "Gpu": package.gpus.join(","),
        "Proton": package.proton.join(","),
        "Size": package.size,
    })
}
