//! Drift's own interface below `/v1`, and the package search that Bolt's first client expected
//! of it below `/v2`. Both are conveniences: where a server has none, the catalog, annotations
//! and referrers of any registry tell the same.
//!
//! Two dialects are written down of it, and they differ in the names of lists and in how deep
//! things lie. Both are read, and what is unknown is passed over; what is known and of another
//! type is an error that names the field.

mod bounds;
mod read;

pub use bounds::Bounds;
pub use read::{DriftError, Package, Page, RemoteProfile, package_list, profile_list};

use crate::image::registry::{Host, Page as Answer, RegistryError};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Pages after which a listing is taken as it is.
const MAX_PAGES: u32 = 100;
/// Most profiles of one listing, most bytes of all its pages, and how long after its first page
/// another one is asked for.
const MAX_ENTRIES: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;
const LONGEST: Duration = Duration::from_secs(60);
/// Profiles asked for at once.
const PER_PAGE: u32 = 100;

/// Why a Drift server could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Not reached, or refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Reached, and wrong.
    #[error("{registry}{path}")]
    Answer {
        /// `host[:port]`.
        registry: String,
        /// What was asked.
        path: String,
        /// What is wrong.
        #[source]
        source: DriftError,
    },
}

/// What profiles are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileQuery {
    /// A word in name, description, tags or games.
    pub text: Option<String>,
    /// Vendor of the GPU.
    pub gpu: Option<String>,
}

/// What packages are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageQuery {
    /// A word in the name or description.
    pub text: String,
    /// A version of Proton.
    pub proton: Option<String>,
    /// Vendor of the GPU.
    pub gpu: Option<String>,
    /// Performance tier.
    pub tier: Option<String>,
}

/// All profiles that match, of the first 10,000 that the server tells of; `None` where it has no
/// `/v1/profiles`. What is left out or cut is told in a line.
pub fn profiles(
    host: &Host<'_>,
    query: &ProfileQuery,
) -> Result<Option<Vec<RemoteProfile>>, ApiError> {
    let Some(mut found) = asked(host, query)? else { return Ok(None) };
    // Whether a server filters, and by what, is its own choice.
    found.retain(|profile| profile.matches(query));
    Ok(Some(found))
}

fn asked(host: &Host<'_>, query: &ProfileQuery) -> Result<Option<Vec<RemoteProfile>>, ApiError> {
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    let (mut bounds, mut bytes, began) = (Bounds::default(), 0, Instant::now());
    let mut whole = false;
    for page in 1..=MAX_PAGES {
        let Some((list, size)) = one_page(host, query, page)? else {
            if page == 1 {
                return Ok(None);
            }
            whole = true;
            break;
        };
        bytes += size;
        let (before, sent, left_out) = (names.len(), list.items.len(), bounds.left_out());
        let room = MAX_ENTRIES - found.len();
        for profile in list.items.into_iter().take(room) {
            let Some(profile) = bounds.profile(profile) else { continue };
            if names.insert((profile.name.clone(), profile.version.clone())) {
                found.push(profile);
            }
        }
        if sent > room {
            break;
        }
        // Drift echoes the page's number and sends the same list again.
        let nothing_new = names.len() == before && bounds.left_out() == left_out;
        if sent == 0 || nothing_new || list.pages.is_some_and(|pages| u64::from(page) >= pages) {
            whole = true;
            break;
        }
        if found.len() == MAX_ENTRIES || bytes > MAX_BYTES || began.elapsed() > LONGEST {
            break;
        }
    }
    tell(host, "profiles", &bounds);
    if !whole {
        host.warning(&format!(
            "{}: the list of profiles is not complete: the server sends more than {} of them, or \
             takes long; look for a word to narrow it",
            host.name(),
            found.len()
        ));
    }
    Ok(Some(found))
}

fn tell(host: &Host<'_>, what: &str, bounds: &Bounds) {
    if let Some(told) = bounds.told() {
        host.warning(&format!("{}: {what}: {told}", host.name()));
    }
}

/// By the search where there is something to search for and the server has it, else the list;
/// and its bytes.
fn one_page(
    host: &Host<'_>,
    query: &ProfileQuery,
    page: u32,
) -> Result<Option<(Page<RemoteProfile>, usize)>, ApiError> {
    if *query != ProfileQuery::default() {
        let mut body = json!({"page": page, "per_page": PER_PAGE});
        for (key, value) in [("query", &query.text), ("gpu_vendor", &query.gpu)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        let path = "/v1/profiles/search";
        if let Some(answer) = json_only(host.post(path, body.to_string().as_bytes())?) {
            return Ok(Some((read(host, path, &answer, profile_list)?, answer.body.len())));
        }
    }
    let (page, per_page) = (page.to_string(), PER_PAGE.to_string());
    let path = "/v1/profiles";
    let answer = host.get(path, &[("page", &page), ("per_page", &per_page)])?;
    let Some(answer) = json_only(answer) else { return Ok(None) };
    Ok(Some((read(host, path, &answer, profile_list)?, answer.body.len())))
}

/// The TOML of a profile; `None` where the server has none of that name.
pub fn download_profile(host: &Host<'_>, name: &str) -> Result<Option<Vec<u8>>, ApiError> {
    Ok(host.get(&format!("/v1/profiles/{name}/download"), &[])?.map(|page| page.body))
}

/// Packages by `/v2/search`; `None` where the server has none.
pub fn packages(host: &Host<'_>, query: &PackageQuery) -> Result<Option<Vec<Package>>, ApiError> {
    let path = "/v2/search";
    let mut words = vec![("q", query.text.as_str()), ("gaming", "true")];
    for (key, value) in [("proton", &query.proton), ("gpu", &query.gpu), ("tier", &query.tier)] {
        words.extend(value.as_deref().map(|value| (key, value)));
    }
    let answer = match host.get(path, &words) {
        // Other registries may take the word for a repository's, and not let us in.
        Err(
            RegistryError::Unauthorized { .. } | RegistryError::Status { status: 400..=499, .. },
        ) => {
            return Ok(None);
        }
        other => other?,
    };
    let Some(answer) = json_only(answer) else { return Ok(None) };
    let mut bounds = Bounds::default();
    let found = read(host, path, &answer, package_list)?.items.into_iter();
    let mut found: Vec<_> = found.filter_map(|package| bounds.package(package)).collect();
    tell(host, "packages", &bounds);
    found.retain(|package| package.matches(query));
    Ok(Some(found))
}

/// A web face answers every path with a page of its own: that is no interface.
fn json_only(answer: Option<Answer>) -> Option<Answer> {
    answer.filter(|answer| answer.content_type.ends_with("json"))
}

fn read<T>(
    host: &Host<'_>,
    path: &str,
    answer: &Answer,
    parse: fn(&[u8]) -> Result<T, DriftError>,
) -> Result<T, ApiError> {
    parse(&answer.body).map_err(|source| ApiError::Answer {
        registry: host.name().to_owned(),
        path: path.to_owned(),
        source,
    })
}
