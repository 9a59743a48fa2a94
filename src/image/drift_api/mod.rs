//! Drift's own interface below `/v1`, and the package search that Bolt's first client expected
//! of it below `/v2`. Both are conveniences: where a server has none, the catalog, annotations
//! and referrers of any registry tell the same.
//!
//! Two dialects are written down of it, and they differ in the names of lists and in how deep
//! things lie. Both are read, and what is unknown is passed over; what is known and of another
//! type is an error that names the field.

mod read;

pub use read::{DriftError, Package, Page, RemoteProfile, package_list, profile_list};

use crate::image::registry::{Host, Page as Answer, RegistryError};
use serde_json::json;
use std::collections::BTreeSet;

/// Pages after which a listing is taken as it is.
const MAX_PAGES: u32 = 100;
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

/// All profiles that match; `None` where the server has no `/v1/profiles`.
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
    for page in 1..=MAX_PAGES {
        let Some(list) = one_page(host, query, page)? else {
            return Ok(if page == 1 { None } else { Some(found) });
        };
        let before = names.len();
        for profile in list.items {
            if names.insert((profile.name.clone(), profile.version.clone())) {
                found.push(profile);
            }
        }
        // Drift echoes the page's number and sends the same list again.
        if names.len() == before || list.pages.is_some_and(|pages| u64::from(page) >= pages) {
            break;
        }
    }
    Ok(Some(found))
}

/// By the search where there is something to search for and the server has it, else the list.
fn one_page(
    host: &Host<'_>,
    query: &ProfileQuery,
    page: u32,
) -> Result<Option<Page<RemoteProfile>>, ApiError> {
    if *query != ProfileQuery::default() {
        let mut body = json!({"page": page, "per_page": PER_PAGE});
        for (key, value) in [("query", &query.text), ("gpu_vendor", &query.gpu)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        let path = "/v1/profiles/search";
        if let Some(answer) = json_only(host.post(path, body.to_string().as_bytes())?) {
            return read(host, path, &answer, profile_list).map(Some);
        }
    }
    let (page, per_page) = (page.to_string(), PER_PAGE.to_string());
    let path = "/v1/profiles";
    let answer = host.get(path, &[("page", &page), ("per_page", &per_page)])?;
    json_only(answer).map(|answer| read(host, path, &answer, profile_list)).transpose()
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
    let mut found = read(host, path, &answer, package_list)?.items;
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
