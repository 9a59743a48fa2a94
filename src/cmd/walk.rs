//! A look through a registry that nobody searches for us: for so many looks and so long, because
//! a registry may tell of any number of repositories and tags.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a registry is looked through.
const LONGEST: Duration = Duration::from_secs(30);

/// What is left of a walk.
#[derive(Debug)]
pub(super) struct Walk {
    most: usize,
    left: Cell<usize>,
    longest: Duration,
    until: Instant,
    /// Why it ended before everything was seen.
    ended: Cell<Option<Ended>>,
    /// The registry did not tell of all its repositories.
    cut_catalog: Cell<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Looks,
    Time,
}

impl Walk {
    /// One of `most` looks, which begins now.
    pub(super) fn of(most: usize) -> Self {
        Self::within(most, LONGEST)
    }

    fn within(most: usize, longest: Duration) -> Self {
        let (left, ended) = (Cell::new(most), Cell::new(None));
        let cut_catalog = Cell::new(false);
        Walk { most, left, longest, until: Instant::now() + longest, ended, cut_catalog }
    }

    /// When it ends: no answer is waited for longer.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Takes one look; false: the walk is over, and something was not seen.
    pub(super) fn look(&self) -> bool {
        match self.left.get() {
            _ if self.is_late() => {}
            0 => self.end(Ended::Looks),
            left => self.left.set(left - 1),
        }
        self.ended.get().is_none()
    }

    /// Whether its time is over, as it is when an answer was broken off.
    pub(super) fn is_late(&self) -> bool {
        let late = Instant::now() >= self.until;
        if late {
            self.end(Ended::Time);
        }
        late
    }

    /// The registry did not tell of all its repositories.
    pub(super) fn cut_catalog(&self) {
        self.cut_catalog.set(true);
    }

    fn end(&self, why: Ended) {
        self.ended.set(Some(self.ended.get().unwrap_or(why)));
    }

    /// What is to be told when not everything was seen.
    pub(super) fn told(&self, place: &str, narrow: &str) -> Option<String> {
        let ended = self.ended.get().map(|ended| match ended {
            Ended::Looks => format!("{} looks were taken", self.most),
            Ended::Time => format!("{} s went by", self.longest.as_secs()),
        });
        let catalog = "the registry did not send its whole catalog".to_owned();
        let catalog = self.cut_catalog.get().then_some(catalog);
        let why: Vec<String> = catalog.into_iter().chain(ended).collect();
        let why = why.join(", ");
        (!why.is_empty()).then(|| format!("{place}: the list is not complete: {why}; {narrow}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_by_looks_and_by_time_and_says_so() {
        let walk = Walk::of(2);
        assert!(walk.look() && walk.look());
        assert_eq!(walk.told("host", "x"), None, "all was seen that was looked for");
        assert!(!walk.look());
        let told = walk.told("host", "write a name").unwrap();
        assert_eq!(told, "host: the list is not complete: 2 looks were taken; write a name");
        let walk = Walk::within(2, Duration::ZERO);
        assert!(!walk.look() && walk.is_late());
        assert!(walk.told("host", "x").unwrap().contains("0 s went by"));
        let walk = Walk::of(1);
        walk.cut_catalog();
        assert!(walk.look(), "what it did send is looked into");
        assert!(walk.told("host", "x").unwrap().contains("whole catalog"));
        assert!(!walk.look(), "and no more often than it may");
        assert!(walk.told("host", "x").unwrap().contains("whole catalog, 1 looks were taken"));
    }
}
