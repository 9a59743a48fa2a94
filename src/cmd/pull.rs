//! `bolt pull`, and how `run` and `create` come to their image.

mod sources;

pub use sources::{Sources, auth_files};

use crate::cmd::buckets;
use crate::cmd::drift;
use crate::container::config::Userns;
use crate::container::events::Event;
use crate::image::config::Search;
use crate::image::config::registries::Registries;
use crate::image::progress::Progress;
use crate::image::pull::{self, Buckets, PullRequest};
use crate::image::reference::{ImageName, Reference, ReferenceError};
use crate::image::registry::Patience;
use crate::image::types::{Digest, ImageRecord, Platform};
use crate::image::unpack::Owners;
use crate::image::{platform, relayout};
use crate::settings::Settings;
use crate::store::{Layout, SharedGuard, Store};
use crate::ui::progress::Transfer;
use crate::ui::{human, print};
use crate::userns;
use anyhow::{Context, bail};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Pull an image from a registry, a bucket, an OCI layout or an OCI archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// docker://NAME, NAME, bolt://NAME, drift://HOST/NAME, s3://BUCKET/PREFIX[:NAME], oci:DIRECTORY[:NAME] or oci-archive:FILE[:NAME]
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Suppress progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    lock: LockArgs,
    /// Id layout of the unpacked files: root-is-user, user-is-user or single
    #[arg(long, hide = true)]
    layout: Option<String>,
}

/// How registries are reached; shared by every verb that asks one.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Access {
    /// Platform of the image: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Path of the credentials file
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// Verify certificates of registries
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tls_verify: Option<bool>,
    /// Directory with certificates of the registry
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,
    /// How often a request that may pass is tried again
    #[arg(long, value_name = "N")]
    pub retry: Option<u32>,
}

/// The file that keeps what `bolt://` names were resolved to.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LockArgs {
    /// Take what the lock file says of a bolt:// name and nothing else
    #[arg(long)]
    pub locked: bool,
    /// Lock file of bolt:// names [default: lock.json of the user's data]
    #[arg(long, value_name = "FILE")]
    pub lock_file: Option<PathBuf>,
}

impl LockArgs {
    /// Other names are in no lock file: an error that says so, rather than a flag without effect.
    fn must_not_bind(&self, image: &str) -> anyhow::Result<()> {
        if self.locked {
            bail!("{image} is no bolt:// name, which --locked is about; pin it as NAME@sha256:...");
        }
        Ok(())
    }

    /// Where the lock file lies.
    pub fn path(&self, settings: &Settings) -> PathBuf {
        self.lock_file.clone().unwrap_or_else(|| settings.dirs.lock_file())
    }
}

/// Pulls each image and prints its id.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let full = userns::enter(&settings.dirs)?;
    let layout = match &args.layout {
        Some(name) => name.parse()?,
        None => default_layout(settings, full),
    };
    let store = Store::open(&settings.dirs.store())?;
    let progress = Transfer::new(args.quiet);
    for image in &args.images {
        let record = pull_one(settings, &store, image, layout, &args, &progress)
            .map_err(|error| about("pull", image, error))?;
        settings.event_log().write(&Event::of_image("pull", record.id.hex(), image));
        print::stdout(&format!("{}\n", record.id.hex()))?;
    }
    Ok(0)
}

/// Says what was done with which image, where the error does not name the image itself.
pub(super) fn about(verb: &str, image: &str, error: anyhow::Error) -> anyhow::Error {
    let named = match ImageName::parse(image) {
        Ok(ImageName::Drift(name)) => error.to_string().starts_with(&name.to_string()),
        Ok(ImageName::OciLayout { .. } | ImageName::OciArchive { .. }) => {
            error.to_string().starts_with("oci")
        }
        Ok(_) => false,
        Err(_) => error.is::<ReferenceError>(),
    };
    if named { error } else { error.context(format!("{verb} {image}")) }
}

/// The files of all containers of this user, when nothing else is asked for.
pub fn default_layout(settings: &Settings, full: bool) -> Layout {
    match (settings.dirs.uid, full) {
        (0, _) => Layout::Root,
        (_, true) => Layout::RootIsUser,
        (_, false) => Layout::Single,
    }
}

/// The ids of a layout, inside P.
pub(super) fn owners(settings: &Settings, layout: Layout) -> Owners {
    let all = mapped_ids();
    match layout {
        Layout::Root => Owners::identity(u32::MAX, true),
        Layout::RootIsUser => Owners::identity(all, false),
        Layout::UserIsUser => Owners::keep_id(settings.dirs.uid, settings.dirs.gid, all),
        Layout::Kept { uid, gid } => Owners::keep_id(uid, gid, all),
        Layout::NoUser => Owners::no_user(all),
        Layout::Range { first, size } => Owners::range(first, size),
        Layout::Single => Owners::single(),
    }
}

fn mapped_ids() -> u32 {
    let text = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    text.lines()
        .filter_map(|l| l.split_ascii_whitespace().nth(2)?.parse::<u32>().ok())
        .fold(0, u32::saturating_add)
}

fn pull_one(
    settings: &Settings,
    store: &Store,
    image: &str,
    layout: Layout,
    args: &Args,
    progress: &Transfer,
) -> anyhow::Result<ImageRecord> {
    let access = &args.access;
    let sources = Sources::load(settings, access)?;
    let platform = platform_of(access)?;
    let owners = owners(settings, layout);
    let mut last = None;
    let ask = |name| {
        let buckets = buckets::of_pull(&sources, &name)?;
        let mut request = request(&sources, access, name, &platform, layout, &owners, buckets);
        request.keep_blobs = settings.keep_blobs;
        Ok(request)
    };
    if let ImageName::Drift(name) = ImageName::parse(image)? {
        let game = drift::Game { settings, store, name: &name, config: &sources.drift };
        return game.pull(access, &args.lock, progress, ask);
    }
    args.lock.must_not_bind(image)?;
    for name in remote_names(image, &sources.registries)? {
        let request = ask(name)?;
        match pull::pull(&request, store, progress) {
            Ok(record) => return Ok(record),
            Err(error) => {
                if let Some(earlier) = last.replace(anyhow::Error::from(error)) {
                    progress.note(&format!("{earlier:#}; trying the next registry"));
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| {
        anyhow::anyhow!("no registry is configured for short names; write HOST/NAME")
    }))
}

pub(super) fn request<'a>(
    sources: &'a Sources,
    access: &Access,
    name: ImageName,
    platform: &'a Platform,
    layout: Layout,
    owners: &'a Owners,
    buckets: Buckets<'a>,
) -> PullRequest<'a> {
    let mut patience = Patience::default();
    if let Some(retries) = access.retry {
        patience.retries = retries;
    }
    PullRequest {
        name,
        platform,
        variant: None,
        layout,
        owners,
        registries: &sources.registries,
        auth: &sources.auth,
        credentials: None,
        certs: &sources.certs,
        policy: &sources.policy,
        proxies: &sources.proxies,
        tls_verify: access.tls_verify,
        patience,
        keep_blobs: false,
        buckets,
    }
}

pub(super) fn platform_of(access: &Access) -> anyhow::Result<Platform> {
    match &access.platform {
        Some(text) => Ok(platform::parse(text).context("--platform")?),
        None => Ok(platform::host()),
    }
}

/// Where to ask for an image, in order.
pub(super) fn remote_names(image: &str, registries: &Registries) -> anyhow::Result<Vec<ImageName>> {
    Ok(match ImageName::parse(image)? {
        ImageName::Short(short) => {
            registries.short_candidates(&short)?.into_iter().map(ImageName::Docker).collect()
        }
        ImageName::Id(id) => bail!("{id} is an image id; a pull wants a name"),
        other => vec![other],
    })
}

/// An image of the store, and the name it was found by.
#[derive(Debug)]
pub struct Found {
    /// Its record.
    pub record: ImageRecord,
    /// Full name, or the id.
    pub name: String,
}

/// Looks a name or an id up in the store; never asks a registry.
pub fn find(settings: &Settings, store: &Store, image: &str) -> anyhow::Result<Option<Found>> {
    let by_name = |reference: Reference| by_name(store, &reference);
    match ImageName::parse(image)? {
        ImageName::Docker(reference) => by_name(reference),
        ImageName::Drift(name) => drift::known(settings, store, &name),
        ImageName::Id(id) => by_id(store, id.hex()),
        ImageName::Short(short) => {
            if let Ok(local) = short.on("localhost")
                && let Some(found) = by_name(local)?
            {
                return Ok(Some(found));
            }
            // Nobody gives an alias the form of an id as `bolt images` prints it, and reading
            // registries.conf would be a fifth of the program's own work at a start.
            if looks_like_id(image, SHOWN_ID)
                && let Some(found) = by_id(store, image)?
            {
                return Ok(Some(found));
            }
            let search = Search {
                home_config: settings.dirs.config_home.clone(),
                system: "/etc".into(),
                override_file: settings.registries_conf.clone(),
            };
            for reference in short.local_candidates(&Registries::load(&search)?) {
                if let Some(found) = by_name(reference)? {
                    return Ok(Some(found));
                }
            }
            if looks_like_id(image, SHORTEST_ID) { by_id(store, image) } else { Ok(None) }
        }
        ImageName::S3(name) => name.local().map_or(Ok(None), by_name),
        ImageName::OciLayout { .. } | ImageName::OciArchive { .. } => Ok(None),
    }
}

/// The image that the store has under a full name.
pub(super) fn by_name(store: &Store, reference: &Reference) -> anyhow::Result<Option<Found>> {
    let name = match reference.digest() {
        Some(digest) => reference.at_digest(digest.clone()).to_string(),
        None => reference.clone().with_default_tag().to_string(),
    };
    Ok(store.find_ref(&name)?.map(|record| Found { record, name }))
}

/// Digits of an id in tables.
const SHOWN_ID: usize = 12;
/// Fewer digits than these are a name.
const SHORTEST_ID: usize = 3;

fn looks_like_id(text: &str, least: usize) -> bool {
    text.len() >= least && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn by_id(store: &Store, prefix: &str) -> anyhow::Result<Option<Found>> {
    Ok(store.find_id(prefix)?.map(|record| Found { name: record.id.hex().to_owned(), record }))
}

/// What `run` and `create` ask of an image.
#[derive(Debug)]
pub struct Wish<'a> {
    /// Name or id.
    pub image: &'a str,
    /// `--pull`.
    pub policy: &'a str,
    /// `--quiet`.
    pub quiet: bool,
    /// How registries are reached.
    pub access: &'a Access,
    /// The lock file.
    pub lock: &'a LockArgs,
}

/// The image, when it is for the machine that was asked for: for another one it is another image
/// of the same name.
fn of_platform(found: Found, wish: &Wish<'_>) -> anyhow::Result<Option<Found>> {
    let (have, want) = (&found.record.platform, platform_of(wish.access)?);
    if platform::is_for(have, &want) {
        return Ok(Some(found));
    }
    let by_id = found.name == found.record.id.hex();
    if wish.policy != "never" && !by_id {
        return Ok(None);
    }
    let why = if by_id { "an id names one image" } else { "--pull=never forbids to fetch another" };
    bail!(
        "image {} is here for {}, not for {}, and {why}",
        wish.image,
        platform::show(have),
        platform::show(&want)
    );
}

/// The image, where it is here and the lock file has no other, and a hold that keeps its layers.
pub fn local(
    settings: &Settings,
    store: &Store,
    wish: &Wish<'_>,
) -> anyhow::Result<(Option<Found>, SharedGuard)> {
    let held = store.shared_lock()?;
    let found = match ImageName::parse(wish.image)? {
        ImageName::Drift(name) => drift::here(settings, store, &name, wish)?,
        _ => {
            wish.lock.must_not_bind(wish.image)?;
            find(settings, store, wish.image)?
        }
    };
    Ok((found, held))
}

/// The image, pulled where the policy says so, and a hold that keeps its layers. A local image
/// opens no socket and starts no runtime; a pull is a process of its own, because it enters P and
/// has threads. Nothing is held meanwhile, others would wait with it for a registry: `let_go` is
/// called before it, and may refuse it.
pub fn ensure(
    settings: &Settings,
    store: &Store,
    wish: &Wish<'_>,
    let_go: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<(Found, SharedGuard)> {
    let (local, held) = local(settings, store, wish)?;
    let local = match local {
        Some(found) if wish.access.platform.is_some() => of_platform(found, wish)?,
        other => other,
    };
    let is_file = wish.image.starts_with("oci:") || wish.image.starts_with("oci-archive:");
    match (wish.policy, local) {
        ("missing" | "ifmissing" | "never", Some(found)) => Ok((found, held)),
        ("never", None) if !is_file => {
            bail!("image {} is not here, and --pull=never forbids to fetch it", wish.image)
        }
        ("newer", Some(found)) => {
            drop(held);
            let_go()?;
            fetch(settings, store, wish, true).or_else(|error| {
                let told = error.is::<print::Silent>();
                let why = if told { String::new() } else { format!("{error:#}; ") };
                if told || !wish.quiet {
                    print::warning(&format!("{why}using the image that is here"));
                }
                let held = store.shared_lock()?;
                let found = by_id(store, found.record.id.hex())?.context("it has been removed")?;
                Ok((found, held))
            })
        }
        ("missing" | "ifmissing" | "never" | "always" | "newer", _) => {
            drop(held);
            let_go()?;
            fetch(settings, store, wish, false).inspect_err(|_| {
                let is_here =
                    || find(settings, store, wish.image).is_ok_and(|found| found.is_some());
                if wish.access.platform.is_none() && is_here() {
                    print::hint("--pull=never takes the image that is here under this name");
                }
            })
        }
        (other, _) => bail!("--pull {other:?} is not known; use always, missing, never or newer"),
    }
}

/// Runs `bolt pull` and finds what it brought. `spare`: there is an image to fall back to, so that
/// a failure is no error; what it says is returned and not told, unless a terminal is to see the
/// progress.
fn fetch(
    settings: &Settings,
    store: &Store,
    wish: &Wish<'_>,
    spare: bool,
) -> anyhow::Result<(Found, SharedGuard)> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("pull");
    if wish.quiet {
        command.arg("--quiet");
    }
    let access = wish.access;
    if let Some(platform) = &access.platform {
        command.args(["--platform", platform]);
    }
    if let Some(file) = &access.authfile {
        command.arg("--authfile").arg(file);
    }
    if let Some(verify) = access.tls_verify {
        command.arg(format!("--tls-verify={verify}"));
    }
    if let Some(dir) = &access.cert_dir {
        command.arg("--cert-dir").arg(dir);
    }
    if let Some(retry) = access.retry {
        command.args(["--retry", &retry.to_string()]);
    }
    if wish.lock.locked {
        command.arg("--locked");
    }
    if let Some(file) = &wish.lock.lock_file {
        command.arg("--lock-file").arg(file);
    }
    command.args(["--", wish.image]).stdin(Stdio::null()).stdout(Stdio::piped());
    let listens = spare && (wish.quiet || !std::io::stderr().is_terminal());
    if listens {
        command.stderr(Stdio::piped());
    }
    // What it has fetched is kept, and the next pull goes on there.
    crate::sys::parent::ends_with_us(&mut command);
    let child = command.spawn().context("start the pull")?;
    let output = child.wait_with_output().context("wait for the pull")?;
    if listens && !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("bolt: ")).collect();
        let error = lines.iter().rfind(|line| !line.starts_with("warning: "));
        bail!("{}", error.unwrap_or(&"the pull was ended"));
    }
    print::stderr_bytes(&output.stderr);
    if !output.status.success() {
        // It has said why on our standard error.
        return Err(crate::ui::print::Silent.into());
    }
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let held = store.shared_lock()?;
    let found = match find(settings, store, wish.image)? {
        Some(found) if found.record.id.hex() == id => Some(found),
        _ => by_id(store, &id)?,
    };
    let found = found.with_context(|| {
        format!("image {} was removed from the store while it was pulled", wish.image)
    })?;
    Ok((found, held))
}

/// The layout that a container of this user namespace needs.
pub fn layout_for(settings: &Settings, userns: Userns, full: bool) -> anyhow::Result<Layout> {
    let dirs = &settings.dirs;
    match userns {
        Userns::KeepId { uid, gid } if (uid, gid) == (dirs.uid, dirs.gid) => {
            let user = full && dirs.uid != 0;
            Ok(if user { Layout::UserIsUser } else { default_layout(settings, full) })
        }
        Userns::KeepId { .. } if dirs.uid == 0 => {
            bail!("--userns keep-id: root keeps only 0:0; use it as another user")
        }
        Userns::KeepId { uid, gid } if full => {
            let (uids, gids) = userns::counts(dirs)?;
            if uid > uids || gid > gids {
                bail!(
                    "--userns keep-id:uid={uid},gid={gid}: with an image the ids go up to {uids}:{gids}, as many as are {}'s in /etc/subuid and /etc/subgid",
                    dirs.user()
                );
            }
            Ok(Layout::Kept { uid, gid })
        }
        Userns::NoMap | Userns::Auto { .. } if !full || dirs.uid == 0 => {
            bail!("--userns nomap and auto need subordinate ids; see 'bolt doctor'")
        }
        Userns::NoMap => Ok(Layout::NoUser),
        Userns::Auto { first, size } => Ok(Layout::Range { first, size }),
        Userns::Host | Userns::KeepId { .. } => Ok(default_layout(settings, full)),
    }
}

/// Sees to it that the image is unpacked in `layout`: once, by a process inside P. `let_go` is
/// called before it.
pub fn ensure_layout(
    store: &Store,
    image: &ImageRecord,
    layout: Layout,
    let_go: impl FnOnce(),
) -> anyhow::Result<()> {
    let missing = relayout::missing(store, image, layout)?;
    if missing.is_empty() {
        return Ok(());
    }
    let (mut count, mut bytes) = (0, 0);
    for layer in &missing {
        if !store.has_layer(layout, &layer.chain_id)? {
            count += 1;
            bytes += store.layer_size(&layer.chain_id)?;
        }
    }
    if count > 0 {
        let size = human::size(bytes);
        print::warning(&format!(
            "unpacking {count} layers ({size}) once more for the id layout {layout}"
        ));
    }
    let_go();
    let status = Command::new("/proc/self/exe")
        .args(["__relayout", image.manifest.as_str(), &layout.to_string()])
        .stdin(Stdio::null())
        .status()
        .context("start the unpacking")?;
    if status.success() { Ok(()) } else { Err(crate::ui::print::Silent.into()) }
}

/// Body of the hidden verb `__relayout MANIFEST LAYOUT`.
pub fn relayout(settings: &Settings, args: &[String]) -> anyhow::Result<()> {
    let [manifest, layout] = args else { bail!("__relayout is for bolt itself") };
    userns::enter(&settings.dirs)?;
    let store = Store::open(&settings.dirs.store())?;
    let manifest: Digest = manifest.parse()?;
    let image =
        store.image(&manifest)?.with_context(|| format!("image {manifest} is not in the store"))?;
    let layout: Layout = layout.parse()?;
    Ok(relayout::make(&store, &image, layout, &owners(settings, layout))?)
}

impl Progress for Transfer {
    fn blob_started(&self, digest: &Digest, size: u64, had: u64) {
        self.started(digest.as_str(), size, had);
    }
    fn blob_bytes(&self, digest: &Digest, count: u64) {
        self.bytes(digest.as_str(), count);
    }
    fn blob_done(&self, digest: &Digest) {
        self.arrived(digest.as_str());
    }
    fn blob_sent(&self, digest: &Digest) {
        self.unpacked(digest.as_str());
    }
    fn blob_exists(&self, digest: &Digest) {
        self.present(digest.as_str());
    }
    fn layer_unpacked(&self, digest: &Digest) {
        self.unpacked(digest.as_str());
    }
    fn note(&self, line: &str) {
        Transfer::note(self, line);
    }
    fn warning(&self, line: &str) {
        Transfer::warning(self, line);
    }
}
