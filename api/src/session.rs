//! What one runtime remembers between its calls: `launch_game` names no container.

use crate::arguments::Table;

/// Containers that are remembered; older ones are forgotten.
const MOST: usize = 64;

/// The answer to `setup_gaming`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gaming {
    /// Directory name of the Proton build.
    pub(crate) proton: Option<String>,
    /// The Windows version that programs are to see.
    pub(crate) windows: Option<String>,
}

/// A container that this runtime has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) id: String,
    /// Its name, else its id.
    pub(crate) name: String,
    pub(crate) volumes: Table,
    /// The Windows version that is still to be set in its prefix.
    pub(crate) windows: Option<String>,
    /// It is there for a game, and has had none yet.
    pub(crate) idle: bool,
}

/// The memory itself.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Set up for games from now on.
    pub(crate) gaming: Option<Gaming>,
    /// The newest last.
    started: Vec<Started>,
}

impl Session {
    /// A container was started.
    pub(crate) fn remember(&mut self, container: Started) {
        self.forget(&container.name);
        self.started.push(container);
        let old = self.started.len().saturating_sub(MOST);
        self.started.drain(..old);
    }

    /// It is gone.
    pub(crate) fn forget(&mut self, name: &str) {
        self.started.retain(|c| c.name != name && c.id != name);
    }

    /// Its prefix has the Windows version that was asked for.
    pub(crate) fn windows_is_set(&mut self, id: &str) {
        if let Some(container) = self.started.iter_mut().find(|c| c.id == id) {
            container.windows = None;
        }
    }

    /// A game runs in it.
    pub(crate) fn is_played(&mut self, id: &str) {
        if let Some(container) = self.started.iter_mut().find(|c| c.id == id) {
            container.idle = false;
        }
    }

    /// Where to launch a game: the newest container that has one of its files, else the newest.
    /// Two games that are launched at the same time so find each its own.
    pub(crate) fn for_game(&self, words: &[String]) -> Option<&Started> {
        let has = |c: &&Started| words.iter().any(|word| c.volumes.translate(word).is_some());
        self.started.iter().rev().find(has).or(self.started.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(name: &str, source: &str) -> Started {
        Started {
            id: format!("id-{name}"),
            name: name.into(),
            volumes: Table::new(&[format!("{source}:/game")]),
            windows: Some("win7".into()),
            idle: true,
        }
    }

    #[test]
    fn a_game_finds_its_own_container() {
        let mut session = Session::default();
        let name = |session: &Session, word: &str| {
            session.for_game(&["wine".into(), word.into()]).map(|c| c.name.clone())
        };
        assert_eq!(name(&session, "x"), None);
        session.remember(started("quake", "/games/quake"));
        session.remember(started("doom", "/games/doom"));
        assert_eq!(name(&session, "/games/quake/q.exe").as_deref(), Some("quake"));
        assert_eq!(name(&session, "/games/doom/d.exe").as_deref(), Some("doom"));
        assert_eq!(name(&session, "steam://run/730").as_deref(), Some("doom"));
        session.remember(started("quake", "/games/quake2"));
        assert_eq!(session.started.len(), 2);
        session.windows_is_set("id-quake");
        session.is_played("id-quake");
        assert_eq!((&session.started[1].windows, session.started[1].idle), (&None, false));
        session.forget("id-quake");
        assert_eq!(name(&session, "/games/quake2/q.exe").as_deref(), Some("doom"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut session = Session::default();
        for n in 0..MOST + 3 {
            session.remember(started(&n.to_string(), "/g"));
        }
        assert_eq!((session.started.len(), session.started[0].name.as_str()), (MOST, "3"));
    }
}
