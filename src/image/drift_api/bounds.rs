//! How much of what a server tells is listed: its texts have a length, and its lists an end.

use super::{Package, RemoteProfile};
use crate::image::reference::NAME_MAX;

/// Most characters of a line that describes something. Other texts have at most
/// [`NAME_MAX`], as OCI's names have.
const LINE_MAX: usize = 1000;
/// Most tags, games, versions and vendors of one entry.
const WORDS_MAX: usize = 100;

/// Keeps entries within bounds, and counts what did not fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    left_out: usize,
    cut: usize,
}

impl Bounds {
    /// The profile with its texts cut; `None`: its name is longer than any, and nothing could be
    /// asked for by a piece of it.
    pub fn profile(&mut self, mut profile: RemoteProfile) -> Option<RemoteProfile> {
        let mut cut = false;
        for text in [&mut profile.version, &mut profile.author, &mut profile.gpu] {
            cut |= shorten(text, NAME_MAX);
        }
        cut |= shorten(&mut profile.description, LINE_MAX);
        for words in [&mut profile.tags, &mut profile.games] {
            cut |= shorten_all(words);
        }
        self.counted(&profile.name, cut).then_some(profile)
    }

    /// [`Bounds::profile`] of a package.
    pub fn package(&mut self, mut package: Package) -> Option<Package> {
        let mut cut = false;
        for text in [&mut package.version, &mut package.tier] {
            cut |= shorten(text, NAME_MAX);
        }
        cut |= shorten(&mut package.description, LINE_MAX);
        for words in [&mut package.proton, &mut package.gpus] {
            cut |= shorten_all(words);
        }
        self.counted(&package.name, cut).then_some(package)
    }

    fn counted(&mut self, name: &str, cut: bool) -> bool {
        let fits = name.len() <= NAME_MAX || name.chars().count() <= NAME_MAX;
        match fits {
            true => self.cut += usize::from(cut),
            false => self.left_out += 1,
        }
        fits
    }

    /// How many entries were left out so far.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// What did not fit, in words; `None`: all did.
    pub fn told(&self) -> Option<String> {
        let out = format!(
            "{} with names of more than {NAME_MAX} characters left out",
            entries(self.left_out)
        );
        let cut = format!("{} with longer texts than anybody reads cut", entries(self.cut));
        match (self.left_out, self.cut) {
            (0, 0) => None,
            (0, _) => Some(cut),
            (_, 0) => Some(out),
            _ => Some(format!("{out}, {cut}")),
        }
    }
}

fn entries(count: usize) -> String {
    format!("{count} {}", if count == 1 { "entry" } else { "entries" })
}

/// Whether `text` had to be cut to `most` characters, of which the last one says so.
fn shorten(text: &mut String, most: usize) -> bool {
    if text.len() <= most || text.chars().nth(most).is_none() {
        return false;
    }
    let end = text.char_indices().nth(most - 1).map_or(0, |(end, _)| end);
    text.truncate(end);
    text.push('…');
    // It may have held megabytes.
    text.shrink_to_fit();
    true
}

fn shorten_all(words: &mut Vec<String>) -> bool {
    let many = words.len() > WORDS_MAX;
    words.truncate(WORDS_MAX);
    words.iter_mut().fold(many, |cut, word| shorten(word, NAME_MAX) || cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_left_out_and_other_texts_cut() {
        let mut bounds = Bounds::default();
        let profile = |name: &str| RemoteProfile { name: name.to_owned(), ..Default::default() };
        assert_eq!(bounds.profile(profile(&"é".repeat(255))), Some(profile(&"é".repeat(255))));
        assert_eq!(bounds.told(), None);
        assert_eq!(bounds.profile(profile(&"x".repeat(256))), None);
        let told = bounds.told().unwrap();
        assert_eq!(told, "1 entry with names of more than 255 characters left out");
        let long = Package {
            name: "a".to_owned(),
            version: "é".repeat(1 << 20),
            description: "d".repeat(1000),
            proton: vec!["p".to_owned(); 101],
            ..Package::default()
        };
        let found = bounds.package(long.clone()).unwrap();
        assert_eq!(found.version, format!("{}…", "é".repeat(254)));
        assert_eq!((found.description, found.proton.len()), (long.description, 100));
        assert!(
            bounds.told().unwrap().ends_with(", 1 entry with longer texts than anybody reads cut")
        );
    }
}
