//! The environment of a game as a list of entries: what nobody touches stays byte for byte, in its
//! place.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What Steam sets for its own libraries. It reaches the game, and no helper.
pub(super) const LOADER: [&str; 2] = ["LD_PRELOAD", "LD_LIBRARY_PATH"];
/// The names under which entries are carried past gamescope, a number behind each.
const CARRIED: &str = "BOLT_INNER_";

/// One change that a setting makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// `NAME=VALUE`
    Set(OsString, OsString),
    /// One more word at the end of a list with colons.
    Append(&'static str, OsString),
}

/// Entries `NAME=VALUE` in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment(Vec<OsString>);

impl Environment {
    pub(super) fn new(entries: Vec<OsString>) -> Environment {
        Environment(entries)
    }

    /// What getenv(3) would find.
    pub(super) fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.iter().find_map(|entry| value_of(entry, name.as_ref()))
    }

    pub(super) fn set(&mut self, name: &OsStr, value: &OsStr) {
        let mut entry = name.to_owned();
        entry.push("=");
        entry.push(value);
        let place = self.0.iter().position(|entry| value_of(entry, name).is_some());
        self.remove(name);
        match place {
            Some(place) => self.0.insert(place, entry),
            None => self.0.push(entry),
        }
    }

    pub(super) fn remove(&mut self, name: &OsStr) {
        self.0.retain(|entry| value_of(entry, name).is_none());
    }

    pub(super) fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Set(name, value) => self.set(name, value),
            Edit::Append(name, word) => {
                let mut list = self.get(name).unwrap_or_default().to_owned();
                if !list.is_empty() {
                    list.push(":");
                }
                list.push(word);
                self.set(OsStr::new(name), &list);
            }
        }
    }

    pub(super) fn entries(&self) -> &[OsString] {
        &self.0
    }

    /// What gamescope gets: `outer` applied, without what Steam set for the game's libraries; and
    /// with it, for [`Environment::unpack`], what the game inside shall have otherwise: the game's
    /// own values of those names and of all that `inner` changes.
    pub(super) fn around(&self, outer: &[Edit], inner: &[Edit]) -> Environment {
        let mut game = self.clone();
        let mut around = self.clone();
        LOADER.iter().for_each(|name| around.remove(OsStr::new(name)));
        for edit in outer {
            game.apply(edit);
            around.apply(edit);
        }
        inner.iter().for_each(|edit| game.apply(edit));
        let mut names: Vec<&OsStr> = LOADER.iter().map(OsStr::new).collect();
        names.extend(inner.iter().map(|edit| match edit {
            Edit::Set(name, _) => name.as_os_str(),
            Edit::Append(name, _) => OsStr::new(*name),
        }));
        for (number, name) in names.iter().enumerate() {
            let mut carried = OsString::from(name);
            if let Some(value) = game.get(name) {
                carried.push("=");
                carried.push(value);
            }
            around.set(OsStr::new(&format!("{CARRIED}{number}")), &carried);
        }
        around
    }

    /// Undoes [`Environment::around`] inside gamescope, and keeps what gamescope has set itself.
    pub(super) fn unpack(&mut self) {
        for number in 0.. {
            let name = OsString::from(format!("{CARRIED}{number}"));
            let Some(carried) = self.get(&name).map(OsStr::to_owned) else { break };
            self.remove(&name);
            let bytes = carried.as_bytes();
            match bytes.iter().position(|byte| *byte == b'=') {
                None => self.remove(&carried),
                Some(at) => {
                    let value = OsString::from_vec(bytes[at + 1..].to_vec());
                    self.set(OsStr::from_bytes(&bytes[..at]), &value);
                }
            }
        }
    }
}

fn value_of<'a>(entry: &'a OsStr, name: &OsStr) -> Option<&'a OsStr> {
    let rest = entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(OsStr::from_bytes(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[&str]) -> Environment {
        Environment::new(entries.iter().map(OsString::from).collect())
    }

    fn set(name: &str, value: &str) -> Edit {
        Edit::Set(name.into(), value.into())
    }

    #[test]
    fn what_nobody_touches_stays_in_its_place() {
        let mut env = Environment::new(vec![
            "A=1".into(),
            OsString::from_vec(b"B=\xff\n".to_vec()),
            "no equals sign".into(),
            "A=2".into(),
        ]);
        let before = env.clone();
        env.apply(&set("C", "x=y"));
        assert_eq!(env.entries()[..4], before.entries()[..]);
        env.apply(&set("A", "3"));
        let expected = [
            OsString::from("A=3"),
            OsString::from_vec(b"B=\xff\n".to_vec()),
            "no equals sign".into(),
            "C=x=y".into(),
        ];
        assert_eq!(env.entries(), expected);
    }

    #[test]
    fn words_are_added_to_lists() {
        let mut env = of(&["LD_PRELOAD=a.so"]);
        env.apply(&Edit::Append("LD_PRELOAD", "b.so".into()));
        env.apply(&Edit::Append("NEW", "c".into()));
        assert_eq!(env, of(&["LD_PRELOAD=a.so:b.so", "NEW=c"]));
    }

    #[test]
    fn gamescope_does_not_get_what_the_game_inside_gets() {
        let steam = of(&["LD_PRELOAD=overlay.so", "PATH=/bin", "LD_LIBRARY_PATH=/steam"]);
        let outer = [set("ALL", "1")];
        let inner = [set("GAME", "\u{1f3ae}"), Edit::Append("LD_PRELOAD", "hud.so".into())];
        let mut around = steam.around(&outer, &inner);
        assert_eq!(around.get("LD_PRELOAD"), None);
        assert_eq!(around.get("LD_LIBRARY_PATH"), None);
        assert_eq!(around.get("GAME"), None);
        assert_eq!(around.get("ALL"), Some(OsStr::new("1")));
        // gamescope sets something for its child.
        around.set(OsStr::new("DISPLAY"), OsStr::new(":7"));
        around.unpack();
        let get = |name: &str| around.get(name).and_then(OsStr::to_str);
        assert_eq!(get("LD_PRELOAD"), Some("overlay.so:hud.so"));
        assert_eq!(get("LD_LIBRARY_PATH"), Some("/steam"));
        assert_eq!((get("GAME"), get("ALL")), (Some("\u{1f3ae}"), Some("1")));
        assert_eq!(get("DISPLAY"), Some(":7"));
        assert!(around.entries().iter().all(|e| !e.to_string_lossy().contains("BOLT_")));
    }

    #[test]
    fn a_loader_variable_that_was_not_set_is_not_set_inside() {
        let mut around = of(&["A=1"]).around(&[set("LD_PRELOAD", "mine.so")], &[]);
        assert_eq!(around.get("LD_PRELOAD"), Some(OsStr::new("mine.so")));
        around.unpack();
        assert_eq!(around, of(&["A=1", "LD_PRELOAD=mine.so"]));
    }
}
