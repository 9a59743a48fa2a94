//! `bolt://` and `drift://` names for the verbs: where they lead, which variant fits, what the
//! lock file says.

use crate::cmd::pull::{Access, Found, LockArgs, Wish, by_name, platform_of};
use crate::facts::HostFacts;
use crate::game::annotations::{self, ARTIFACT};
use crate::game::choose::{self, Choice, Known};
use crate::game::explain::Resolution;
use crate::game::lock::{self, Entry, Lock};
use crate::game::measured::Results;
use crate::game::metadata;
use crate::image::config::drift::DriftConfig;
use crate::image::manifest::{self, Document};
use crate::image::platform;
use crate::image::pull::{self, PullRequest};
use crate::image::reference::{DriftName, ImageName, Reference};
use crate::image::registry::{Sought, UNASKED, Which};
use crate::image::types::{Descriptor, Digest, ImageRecord, Platform};
use crate::settings::Settings;
use crate::store::Store;
use crate::ui::print;
use crate::ui::progress::Transfer;
use anyhow::{Context, bail};
use std::path::Path;

/// registries.toml of the user and of the system.
pub(super) fn config(settings: &Settings) -> anyhow::Result<DriftConfig> {
    Ok(DriftConfig::load(&settings.dirs.config_home, "/etc".as_ref())?)
}

/// This machine, or the one that `BOLT_HOST_FACTS` replays. What of this one cannot be read is told.
pub(super) fn facts(settings: &Settings) -> anyhow::Result<HostFacts> {
    match &settings.host_facts {
        Some(file) => HostFacts::load(file).context("BOLT_HOST_FACTS"),
        None => {
            let facts = HostFacts::gather(Path::new("/"), &settings.dirs.home);
            for reason in &facts.unread {
                print::warning(&format!("Proton builds may be missing: {reason}"));
            }
            Ok(facts)
        }
    }
}

/// What a name led to.
struct Index<'a> {
    place: &'a Reference,
    root: &'a Digest,
    entries: &'a [Descriptor],
}

/// A game that was named, and all that bears on finding it.
#[derive(Debug)]
pub(super) struct Game<'a> {
    pub(super) settings: &'a Settings,
    pub(super) store: &'a Store,
    pub(super) name: &'a DriftName,
    pub(super) config: &'a DriftConfig,
}

impl Game<'_> {
    /// Asks the registry and chooses; nothing is fetched but documents. The bytes to fetch are
    /// found out where they decide, and where `explain` wants them told.
    pub(super) fn resolve<'p>(
        &self,
        access: &Access,
        explain: bool,
        progress: &Transfer,
        ask: impl Fn(ImageName) -> anyhow::Result<PullRequest<'p>>,
    ) -> anyhow::Result<Resolution> {
        let place = self.remote(progress, &ask)?;
        let request = ask(ImageName::Docker(place.clone()))?;
        let root = pull::document(&request, &place, self.store, progress)?;
        let parsed = manifest::parse(&root.bytes, &root.media_type)
            .with_context(|| format!("{place}: manifest {}", root.digest))?;
        let (entries, is_index) = match parsed {
            Document::Index(entries) => (entries, true),
            Document::Manifest(_) => {
                let alone = Descriptor {
                    media_type: root.media_type,
                    digest: root.digest.clone(),
                    size: root.bytes.len() as u64,
                    platform: None,
                    annotations: manifest::annotations(&root.bytes),
                };
                (vec![alone], false)
            }
        };
        let mut facts = facts(self.settings)?;
        if access.platform.is_some() {
            facts.platform = platform::show(&platform_of(access)?);
        }
        let index = Index { place: &place, root: &root.digest, entries: &entries };
        let choice = self.choose(&request, &index, &facts, explain, progress)?;
        let name = self.name.to_string();
        Ok(Resolution { name, place, root: root.digest, is_index, facts, choice })
    }

    /// Chooses, and asks for what the index does not say where that is needed.
    fn choose(
        &self,
        request: &PullRequest<'_>,
        index: &Index<'_>,
        facts: &HostFacts,
        explain: bool,
        progress: &Transfer,
    ) -> anyhow::Result<Choice> {
        let Index { place, root, entries } = index;
        let results = Results::load(&self.settings.dirs.measured())?;
        choose::check_count(root, entries).with_context(|| place.to_string())?;
        let mut known = Known::default();
        let wanted = sought(index, facts, &mut known);
        let kind = (ARTIFACT, metadata::MAX as u64);
        let found = pull::artifacts(request, place, self.store, &wanted, kind, progress)?;
        known.whole.extend(found);
        let choose = |known: &Known| {
            choose::choose(root, entries, facts, &results, known).with_context(|| place.to_string())
        };
        let choice = choose(&known)?;
        let counted: Vec<&Digest> = match explain {
            true => choice.runnable().map(|verdict| &verdict.digest).collect(),
            false => choice.tied(),
        };
        if counted.is_empty() {
            return Ok(choice);
        }
        known.missing = pull::missing_bytes(request, place, self.store, &counted, progress)?;
        choose(&known)
    }

    /// Resolves, pulls by digest and writes the lock file; or takes what the lock file says.
    pub(super) fn pull<'p>(
        &self,
        access: &Access,
        lock: &LockArgs,
        progress: &Transfer,
        ask: impl Fn(ImageName) -> anyhow::Result<PullRequest<'p>>,
    ) -> anyhow::Result<ImageRecord> {
        let path = lock.path(self.settings);
        // A lock file with a fault must not be found out after the download.
        let before = Lock::load(&path)?;
        if lock.locked {
            let place = self.config.place(self.name)?;
            let entry = before.required(self.name, &place, &path, lock.lock_file.as_deref())?;
            return self.locked(&place, entry, access, progress, ask);
        }
        let found = self.resolve(access, false, progress, &ask)?;
        let Some(taken) = found.choice.taken() else { bail!(found.no_fit()) };
        warn_of_bad_metadata(&found.choice);
        progress.note(&found.line());
        let metadata = taken.metadata.as_ref();
        let entry = Entry {
            repository: found.place.name(),
            tag: found.place.tag().map(str::to_owned),
            index: found.is_index.then(|| found.root.clone()),
            manifest: taken.digest.clone(),
            variant: taken.name.clone(),
            runtime: metadata.and_then(|m| m.runtime_appid),
            proton: taken.proton.clone(),
            profile: metadata.and_then(|m| m.profile.clone()),
            reason: found.choice.why.clone(),
        };
        let record = self.fetch(&found.place, &entry, progress, ask)?;
        if found.place.digest().is_none() {
            self.store.tag(&found.place.to_string(), &record.manifest)?;
        }
        lock::put(&path, self.name, Entry { manifest: record.manifest.clone(), ..entry })?;
        Ok(record)
    }

    /// What an entry says: the image that is here, else it is pulled. Nobody is asked for what is
    /// here.
    fn locked<'p>(
        &self,
        place: &Reference,
        entry: &Entry,
        access: &Access,
        progress: &Transfer,
        ask: impl Fn(ImageName) -> anyhow::Result<PullRequest<'p>>,
    ) -> anyhow::Result<ImageRecord> {
        let name = name_of(place, entry);
        {
            let _held = self.store.shared_lock()?;
            if let Some(record) = self.store.image(&entry.manifest)? {
                self.must_be_for(access, entry, &record.platform)?;
                if let Some(name) = name
                    && self.store.find_ref(&name)?.is_none()
                {
                    self.store.tag(&name, &record.manifest)?;
                }
                return Ok(record);
            }
        }
        if let (Some(_), Some(index)) = (&access.platform, &entry.index) {
            let root = place.at_digest(index.clone());
            let raw = pull::document(
                &ask(ImageName::Docker(root.clone()))?,
                &root,
                self.store,
                progress,
            )?;
            if let Ok(Document::Index(entries)) = manifest::parse(&raw.bytes, &raw.media_type)
                && let Some(found) = entries.iter().find(|found| found.digest == entry.manifest)
                && let Some(platform) = &found.platform
            {
                self.must_be_for(access, entry, platform)?;
            }
        }
        let record = self.fetch(place, entry, progress, ask)?;
        self.must_be_for(access, entry, &record.platform)?;
        if let Some(name) = name {
            self.store.tag(&name, &record.manifest)?;
        }
        Ok(record)
    }

    /// An error when a platform is asked for, and an entry's image is for another.
    fn must_be_for(&self, access: &Access, entry: &Entry, have: &Platform) -> anyhow::Result<()> {
        let want = platform_of(access)?;
        if access.platform.is_none() || platform::is_for(have, &want) {
            return Ok(());
        }
        bail!(
            "{}: the lock file says {}, which is for {}, not for {}; without --locked another \
             variant is looked for",
            self.name,
            entry.variant,
            platform::show(have),
            platform::show(&want)
        )
    }

    /// Pulls what an entry says, by digest.
    fn fetch<'p>(
        &self,
        place: &Reference,
        entry: &Entry,
        progress: &Transfer,
        ask: impl Fn(ImageName) -> anyhow::Result<PullRequest<'p>>,
    ) -> anyhow::Result<ImageRecord> {
        let root = entry.index.as_ref().unwrap_or(&entry.manifest);
        let request = ask(ImageName::Docker(place.at_digest(root.clone())))?;
        let variant = entry.index.as_ref().map(|_| &entry.manifest);
        Ok(pull::pull(&PullRequest { variant, ..request }, self.store, progress)?)
    }

    /// The full name to ask a registry for: of a range of versions the newest that is there.
    pub(super) fn remote<'p>(
        &self,
        progress: &Transfer,
        ask: impl Fn(ImageName) -> anyhow::Result<PullRequest<'p>>,
    ) -> anyhow::Result<Reference> {
        let place = self.config.place(self.name)?;
        let Some(range) = self.name.range() else { return Ok(place.with_default_tag()) };
        let request = ask(ImageName::Docker(place.clone()))?;
        let tags = pull::tags(&request, &place, progress)?;
        let newest = range.newest(tags.iter().map(String::as_str)).with_context(|| {
            format!(
                "{}: {} has no tag in the range; it has {}",
                self.name,
                place.name(),
                few(&tags)
            )
        })?;
        Ok(place.tagged(Some(newest), None))
    }
}

/// Most variants with bad metadata that are told each; `resolve --explain` has all.
const TOLD: usize = 10;

/// Says which variants have metadata that cannot be used, whatever was taken: nobody would see
/// otherwise why they are not.
pub(super) fn warn_of_bad_metadata(choice: &Choice) {
    let bad = choice.verdicts.iter().filter(|v| v.has_bad_metadata()).map(|bad| {
        let reasons: Vec<&str> = bad.reasons.iter().map(|r| r.text.as_str()).collect();
        format!("variant {}: {}", bad.digest, reasons.join("; "))
    });
    // Of those that did not come in time it was told together.
    let unused = choice.verdicts.iter().filter_map(|verdict| {
        let why = verdict.artifact.as_deref().filter(|why| *why != UNASKED)?;
        Some(format!("variant {}: its metadata artifact is not used: {why}", verdict.digest))
    });
    let lines: Vec<String> = bad.chain(unused).collect();
    for line in lines.iter().take(TOLD) {
        print::warning(line);
    }
    if let Some(more) = lines.len().checked_sub(TOLD + 1) {
        print::warning(&format!("{} more variants have metadata that is not used", more + 1));
    }
}

/// The artifacts that the entries speak of which are for this platform; what they say wrongly
/// goes into `known`. A manifest without an index cannot name one about itself, so it is asked for.
fn sought(index: &Index<'_>, facts: &HostFacts, known: &mut Known) -> Vec<Sought> {
    let (host, entries) = (facts.platform(), index.entries);
    let fits = |entry: &&Descriptor| platform::fit(entry, &host, entries.len()).is_some();
    let mut wanted = Vec::new();
    for entry in entries.iter().filter(fits) {
        let subject = entry.digest.clone();
        match annotations::referrer(&entry.annotations) {
            None if subject == *index.root => wanted.push(Sought { subject, which: Which::Any }),
            None => {}
            Some(Ok(digest)) => {
                let which = digest.map_or(Which::Newest, Which::Named);
                wanted.push(Sought { subject, which });
            }
            Some(Err(reason)) => {
                known.whole.insert(subject, Err(reason));
            }
        }
    }
    wanted
}

/// The image of a name that is here and may be taken: what the lock file says. Where that says
/// nothing, what the store has under the name may be any of its variants, put there by a plain
/// pull: it is taken only by who forbids to ask a registry, or where none is to be asked. Asks
/// nobody.
pub(super) fn here(
    settings: &Settings,
    store: &Store,
    name: &DriftName,
    wish: &Wish<'_>,
) -> anyhow::Result<Option<Found>> {
    let place = config(settings)?.place(name)?;
    let path = wish.lock.path(settings);
    let lock = Lock::load(&path)?;
    let entry = match wish.lock.locked {
        true => Some(lock.required(name, &place, &path, wish.lock.lock_file.as_deref())?),
        false => lock.entry(name, &place),
    };
    let Some(entry) = entry else {
        let asks = wish.policy != "never" && place.registry() != "localhost";
        return if asks { Ok(None) } else { unlocked_here(store, name, &place) };
    };
    let found = store.image(&entry.manifest)?;
    let name = place.at_digest(entry.manifest.clone()).to_string();
    Ok(found.map(|record| Found { record, name }))
}

/// The image that the store has for a name: what the user's lock file says, as a run takes it;
/// else what is here under the name, of a range the newest.
pub(super) fn known(
    settings: &Settings,
    store: &Store,
    name: &DriftName,
) -> anyhow::Result<Option<Found>> {
    let place = config(settings)?.place(name)?;
    let lock = Lock::load(&settings.dirs.lock_file())?;
    match lock.entry(name, &place) {
        Some(entry) => locked_here(store, &place, entry),
        None => unlocked_here(store, name, &place),
    }
}

/// The image of an entry, by its name where it has that, else by digest.
fn locked_here(store: &Store, place: &Reference, entry: &Entry) -> anyhow::Result<Option<Found>> {
    let Some(record) = store.image(&entry.manifest)? else { return Ok(None) };
    let names = store.names_of(&record.manifest)?;
    let name = name_of(place, entry).filter(|name| names.contains(name));
    let name = name.unwrap_or_else(|| place.at_digest(entry.manifest.clone()).to_string());
    Ok(Some(Found { record, name }))
}

/// What is here under a name.
fn unlocked_here(
    store: &Store,
    name: &DriftName,
    place: &Reference,
) -> anyhow::Result<Option<Found>> {
    let Some(range) = name.range() else { return by_name(store, place) };
    let tags = local_tags(store, place)?;
    match range.newest(tags.iter().map(String::as_str)) {
        Some(tag) => by_name(store, &place.tagged(Some(tag), None)),
        None => Ok(None),
    }
}

/// The name that a pull gave, or gives, an entry's image; one asked for by digest gets none.
fn name_of(place: &Reference, entry: &Entry) -> Option<String> {
    let tag = entry.tag.as_deref().filter(|_| place.digest().is_none())?;
    Some(place.tagged(Some(tag), None).to_string())
}

/// The tags under which the store knows images of a repository.
fn local_tags(store: &Store, place: &Reference) -> anyhow::Result<Vec<String>> {
    let repository = format!("{}:", place.name());
    let tag = |name: String| name.strip_prefix(&repository).map(str::to_owned);
    Ok(store.images()?.into_iter().flat_map(|image| image.names).filter_map(tag).collect())
}

/// The last of some tags, for an error. Those that stand for referrers are no versions.
fn few(tags: &[String]) -> String {
    let tags: Vec<&str> =
        tags.iter().map(String::as_str).filter(|tag| !tag.starts_with("sha256-")).collect();
    match tags.len() {
        0 => "none".to_owned(),
        n if n <= 10 => tags.join(", "),
        n => format!("{} and {} more", tags[n - 10..].join(", "), n - 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referrers_are_no_versions() {
        let tags = ["1.0".to_owned(), format!("sha256-{}", "0".repeat(64))];
        assert_eq!(few(&tags), "1.0");
        assert_eq!(few(&tags[1..]), "none");
    }
}
