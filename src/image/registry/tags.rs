//! The list of a repository's tags (distribution-spec 1.1, "Listing Tags").

use super::client::Client;
use super::error::RegistryError;
use reqwest::Method;
use serde::Deserialize;

/// Largest page, in bytes.
const MAX_PAGE: u64 = 4 << 20;
/// Pages that are asked for before the list is given up as endless.
const MAX_PAGES: usize = 100;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client<'_> {
    /// All tags, page by page.
    pub(super) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let list = format!("{}/tags/list", self.repository);
        let mut query = "n=1000".to_owned();
        let mut tags = Vec::new();
        for _ in 0..MAX_PAGES {
            let path = format!("{list}?{query}");
            let (page, next) = self.retried(async || self.page(&path, &list).await).await?;
            tags.extend(page);
            match next {
                Some(next) if next != query => query = next,
                _ => return Ok(tags),
            }
        }
        let reason = format!("its list of tags has more than {MAX_PAGES} pages");
        Err(RegistryError::Protocol { url: self.name(), reason })
    }

    async fn page(
        &self,
        path: &str,
        list: &str,
    ) -> Result<(Vec<String>, Option<String>), RegistryError> {
        let mut answer = self.call(Method::GET, path, None, None, "the list of tags").await?;
        let next = answer.header("link").and_then(|link| next_query(link, list));
        let url = answer.address();
        let bytes = answer.body(MAX_PAGE, "list of tags").await?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|e| RegistryError::Protocol {
            url,
            reason: format!("its list of tags is not valid: {e}"),
        })?;
        Ok((page.tags.unwrap_or_default(), next))
    }
}

/// The query of `<…/tags/list?QUERY>; rel="next"`; a link that leads elsewhere is not followed.
fn next_query(link: &str, list: &str) -> Option<String> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let (path, query) = target.split_once('?')?;
    let next = rest.contains("rel=\"next\"") || rest.contains("rel=next");
    let plain = query.bytes().all(|b| b.is_ascii_alphanumeric() || b"=&._-%".contains(&b));
    (next && plain && path.ends_with(&format!("/v2/{list}"))).then(|| query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_page_of_the_same_list_is_followed() {
        for (link, query) in [
            ("</v2/a/b/tags/list?n=2&last=1.0>; rel=\"next\"", Some("n=2&last=1.0")),
            ("<https://h/v2/a/b/tags/list?last=x>; rel=next", Some("last=x")),
            ("</v2/a/b/tags/list?n=2>; rel=\"prev\"", None),
            ("</v2/other/tags/list?n=2>; rel=\"next\"", None),
            ("</v2/a/b/tags/list?n=2#x>; rel=\"next\"", None),
            ("junk", None),
        ] {
            assert_eq!(next_query(link, "a/b/tags/list").as_deref(), query, "{link}");
        }
    }
}
