//! The places of one pull: who is asked, who is left for having done wrong, and who told a lie.
//!
//! Mirrors come first, best rank first; the registry is asked when there is no mirror, and beside
//! them as soon as one was left. Who lies is asked for no further byte in this pull. A whole blob
//! from one place convicts it by its digest. When several places served a blob that is wrong, one
//! of them is trusted: the parts of the others are fetched again from it, and the digest tells
//! whether the others lied, or it did.

use super::fault::{Fault, fault};
use super::history::{Entry, History};
use super::origin::{Origin, Tier};
use super::speed::Meter;
use super::watch::Transfer;
use super::{Kept, SourceError};
use crate::image::island::Island;
use crate::image::progress::Progress;
use crate::image::registry::Patience;
use crate::image::types::Digest;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Passing faults in a row after which a place is left.
const STRIKES: u32 = 2;
/// Passing faults, in a row or not, after which a place may be left that has a stand-in.
const FAULTS: u32 = 3;
/// Bytes for each of them that it must have sent to stay: a connection that breaks now and then in
/// a long pull is no reason to do without the nearest place.
const A_FAULT: u64 = 256 << 20;
/// Bytes from which on a rate means something.
const ENOUGH: u64 = 256 << 10;

/// What a place is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is asked.
    Good,
    /// It is asked when nobody else can serve.
    Last,
    /// It is under suspicion and not asked until that is decided.
    Suspended,
    /// It lied.
    Out,
}

/// A place and what this pull knows of it.
pub(super) struct Member<'a> {
    pub(super) origin: Rc<dyn Origin + 'a>,
    pub(super) name: String,
    pub(super) tier: Tier,
    pub(super) standing: Cell<Standing>,
    strikes: Cell<u32>,
    /// All passing faults of this pull.
    faults: Cell<u32>,
    /// The user knows that it does wrong.
    told: Cell<bool>,
    pub(super) absent: RefCell<BTreeSet<Digest>>,
    /// Transfers that are on their way.
    pub(super) active: Cell<usize>,
    /// Since when there is one, and for how long there was one before.
    pub(super) since: Cell<Option<Instant>>,
    pub(super) worked: Cell<Duration>,
    /// All bytes of this pull, and how fast they come.
    pub(super) bytes: Cell<u64>,
    pub(super) meter: Meter,
    /// How often it was tried while others served, and when last.
    pub(super) tries: Cell<(u32, Option<Instant>)>,
    latency: Cell<Option<Duration>>,
    trouble: RefCell<Option<String>>,
}

/// Who served which bytes of a blob: ends of the parts, in order.
type Parts = Vec<(u64, Server)>;

/// Who served a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    /// It lay here from an earlier pull.
    Earlier,
    /// A member of the pool.
    Member(usize),
}

impl Server {
    /// The member, when it was one.
    pub(super) fn member(self) -> Option<usize> {
        match self {
            Server::Member(who) => Some(who),
            Server::Earlier => None,
        }
    }
}

/// A wrong blob of several servers, and whom we believe now.
#[derive(Clone)]
pub(super) struct Trial {
    pub(super) trusted: usize,
    pub(super) served: Parts,
    /// Whose bytes were other than the trusted one's.
    pub(super) differed: BTreeSet<usize>,
}

/// All places of one pull.
pub(in crate::image) struct Pool<'a> {
    pub(super) members: Vec<Member<'a>>,
    pub(super) island: Island,
    pub(super) progress: &'a dyn Progress,
    pub(super) patience: Patience,
    pub(super) history: RefCell<History>,
    pub(super) served: RefCell<BTreeMap<Digest, Parts>>,
    pub(super) trials: RefCell<BTreeMap<Digest, Trial>>,
    /// Blobs that are fetched from one place only, so that it can be convicted.
    pub(super) alone: RefCell<BTreeSet<Digest>>,
    /// What is asked for now, by a number of its own.
    pub(super) under_way: RefCell<BTreeMap<u64, Transfer>>,
    /// Bytes that this fetch still lacks.
    pub(super) left: Cell<u64>,
}

impl std::fmt::Debug for Pool<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.members.iter().map(|m| &m.name)).finish()
    }
}

impl<'a> Pool<'a> {
    /// Ranks `origins` by `history`; those of one rank stay in their order.
    pub(in crate::image) fn new(
        origins: Vec<Rc<dyn Origin + 'a>>,
        island: &Island,
        patience: &Patience,
        history: History,
        progress: &'a dyn Progress,
    ) -> Self {
        let mut members: Vec<Member<'a>> = origins.into_iter().map(Member::new).collect();
        members.sort_by(|a, b| {
            let rank = |m: &Member<'_>| (m.tier, history.rank(&m.name));
            rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
        });
        Pool {
            members,
            island: island.clone(),
            progress,
            patience: patience.clone(),
            history: RefCell::new(history),
            served: RefCell::default(),
            trials: RefCell::default(),
            alone: RefCell::default(),
            under_way: RefCell::default(),
            left: Cell::default(),
        }
    }

    /// Who may serve a blob now, best first: the good ones of the nearest kind, and those of the
    /// next kind when there are none or one was left; only when there are none at all, those that
    /// were left.
    pub(super) fn candidates(&self, digest: &Digest) -> Vec<usize> {
        let with = |standing: Standing| {
            move |(_, m): &(usize, &Member<'_>)| {
                m.standing.get() == standing
                    && !m.origin.is_left()
                    && !m.absent.borrow().contains(digest)
            }
        };
        let all = || self.members.iter().enumerate();
        let mut good = Vec::new();
        for kind in [Tier::Mirror, Tier::RegistryMirror, Tier::Registry] {
            let of_kind = || all().filter(|(_, m)| m.tier == kind);
            good.extend(of_kind().filter(with(Standing::Good)).map(|(i, _)| i));
            let lost = |(_, m): (usize, &Member<'_>)| {
                m.standing.get() != Standing::Good || m.origin.is_left()
            };
            // A kind of which there is none stands in for nobody.
            if !good.is_empty() && of_kind().next().is_some() && !of_kind().any(lost) {
                break;
            }
        }
        if !good.is_empty() {
            return good;
        }
        all().filter(with(Standing::Last)).map(|(i, _)| i).collect()
    }

    /// The candidate with the least to do for its speed.
    pub(super) fn pick(&self, digest: &Digest, not: Option<usize>) -> Option<usize> {
        let mut candidates = self.candidates(digest);
        if candidates.len() > 1 {
            candidates.retain(|i| Some(*i) != not);
        }
        let speed = |m: &Member<'_>| m.meter.best().max(self.history.borrow().speed(&m.name));
        let known = candidates.iter().all(|i| speed(&self.members[*i]) > 0.0);
        let load = |i: &usize| {
            let m = &self.members[*i];
            (m.active.get() + 1) as f64 / if known { speed(m) } else { 1.0 }
        };
        // Of two with the same load the first, which is the better one.
        candidates.into_iter().min_by(|a, b| load(a).total_cmp(&load(b)))
    }

    /// Sorts an error of a member: `true` when the same blob is worth another try somewhere.
    pub(super) fn blame(&self, who: usize, digest: &Digest, error: &SourceError) -> Fault {
        let member = &self.members[who];
        let kind = fault(error);
        match kind {
            Fault::Absent => drop(member.absent.borrow_mut().insert(digest.clone())),
            Fault::Passing => {
                member.strikes.set(member.strikes.get() + 1);
                member.faults.set(member.faults.get() + 1);
                let often = member.fails_often() && self.has_stand_in(who, digest);
                if often || member.strikes.get() >= STRIKES {
                    self.leave(who, &error.to_string());
                }
            }
            Fault::Lasting => self.leave(who, &error.to_string()),
            Fault::Ours => {}
        }
        kind
    }

    /// Asks a member only when nobody else can serve, and says why; once.
    pub(super) fn leave(&self, who: usize, why: &str) {
        let member = &self.members[who];
        if member.standing.get() != Standing::Good {
            return;
        }
        member.standing.set(Standing::Last);
        *member.trouble.borrow_mut() = Some(why.to_owned());
        if self.members.iter().any(|m| m.standing.get() == Standing::Good) {
            self.tell(who, why, "the other sources go on");
        }
    }

    /// One line about a member that does wrong, and no other.
    pub(super) fn tell(&self, who: usize, why: &str, then: &str) {
        let member = &self.members[who];
        if member.told.replace(true) {
            return;
        }
        // Errors of buckets begin with their name.
        let own = why.strip_prefix(&*member.name).filter(|rest| rest.starts_with([':', ' ']));
        let said = match own {
            Some(_) => why.to_owned(),
            None => format!("{}: {why}", member.name),
        };
        self.progress.note(&format!("{said}; {then}"));
    }

    /// Asks a member for nothing more in this pull, and says so: once, and only when there are
    /// others; the error of the pull names it else.
    pub(super) fn convict(&self, who: usize, digest: &Digest) {
        let member = &self.members[who];
        if member.standing.replace(Standing::Out) == Standing::Out {
            return;
        }
        *member.trouble.borrow_mut() = Some("it sent wrong bytes".to_owned());
        self.history.borrow_mut().lied(&member.name);
        if !self.candidates(digest).is_empty() {
            self.progress.warning(&format!(
                "{} sent wrong bytes for blob {digest}; nothing more is taken from it",
                member.name
            ));
        }
    }

    /// Whether a blob can come from another member that is good.
    pub(super) fn has_stand_in(&self, who: usize, digest: &Digest) -> bool {
        let mut others = self.members.iter().enumerate().filter(|(i, _)| *i != who);
        others
            .any(|(_, m)| m.standing.get() == Standing::Good && !m.absent.borrow().contains(digest))
    }

    /// Whether somebody may be asked.
    pub(super) fn is_asked(&self, who: usize) -> bool {
        matches!(self.members[who].standing.get(), Standing::Good | Standing::Last)
    }

    /// So much came from a member at one time that its faults are not in a row.
    pub(super) fn forgive(&self, who: usize) {
        self.members[who].strikes.set(0);
    }

    /// The time until a member's first byte.
    pub(super) fn answered(&self, who: usize, after: Duration) {
        let member = &self.members[who];
        let least = member.latency.get().map_or(after, |l| l.min(after));
        member.latency.set(Some(least));
    }

    /// A blob was wrong: finds out whose bytes are. Errors: there is no further way to get it; who
    /// sent it, where somebody did.
    pub(super) fn wrong(&self, digest: &Digest) -> Result<(), Option<String>> {
        self.trials.borrow_mut().remove(digest);
        for member in &self.members {
            if member.standing.get() == Standing::Suspended {
                member.standing.set(Standing::Good);
            }
        }
        let served = self.served.borrow_mut().remove(digest).ok_or(None)?;
        let servers: BTreeSet<Server> = served.iter().map(|(_, server)| *server).collect();
        let members: Vec<usize> = servers.iter().filter_map(|server| server.member()).collect();
        let name = |who: usize| self.members[who].name.clone();
        let is_out = |who: &&usize| self.members[**who].standing.get() == Standing::Out;
        let known = members.iter().find(is_out).copied();
        match members.as_slice() {
            // It was convicted while it sent this one: nothing from its first byte on is kept.
            _ if known.is_some() => {
                self.served.borrow_mut().insert(digest.clone(), served);
                let others = self.candidates(digest);
                if others.is_empty() { Err(known.map(name)) } else { Ok(()) }
            }
            [one] if servers.len() == 1 => {
                self.convict(*one, digest);
                let others = self.candidates(digest);
                if others.is_empty() { Err(Some(name(*one))) } else { Ok(()) }
            }
            [] => Err(None),
            several if !servers.contains(&Server::Earlier) => {
                // One that was left for cutting would be long about the parts of the others.
                let trusted = several.iter().copied().min_by_key(|i| {
                    let member = &self.members[*i];
                    let lies = self.history.borrow().lies(&member.name);
                    (lies, member.fails_often(), std::cmp::Reverse(member.tier))
                });
                let trusted = trusted.ok_or(None)?;
                for who in several.iter().filter(|who| **who != trusted) {
                    self.members[*who].standing.set(Standing::Suspended);
                }
                let trial = Trial { trusted, served, differed: BTreeSet::new() };
                self.trials.borrow_mut().insert(digest.clone(), trial);
                Ok(())
            }
            _ => {
                self.alone.borrow_mut().insert(digest.clone());
                Ok(())
            }
        }
    }

    /// Believes another of the suspects of a wrong blob.
    pub(super) fn believe(&self, digest: &Digest, who: usize) {
        if let Some(trial) = self.trials.borrow_mut().get_mut(digest) {
            self.members[trial.trusted].standing.set(Standing::Suspended);
            self.members[who].standing.set(Standing::Good);
            trial.trusted = who;
        }
    }

    /// What is kept of a blob's bytes: nothing from the first byte on that a liar sent.
    pub(super) fn kept(&self, digest: &Digest, have: u64) -> Kept {
        if self.trials.borrow().contains_key(digest) {
            return Kept::ToBeReplaced;
        }
        let mut all = self.served.borrow_mut();
        let Some(parts) = all.get_mut(digest) else { return Kept::First(have) };
        let out = |server: &Server| match server {
            Server::Member(who) => self.members[*who].standing.get() == Standing::Out,
            Server::Earlier => false,
        };
        if let Some(first) = parts.iter().position(|(_, server)| out(server)) {
            parts.truncate(first);
            return Kept::First(have.min(parts.last().map_or(0, |(end, _)| *end)));
        }
        Kept::First(have)
    }

    /// Whether a blob came from several members and nobody else, so that a wrong one is worth to
    /// be looked into.
    pub(super) fn is_mixed(&self, digest: &Digest) -> bool {
        let served = self.served.borrow();
        let Some(parts) = served.get(digest) else { return false };
        let first = parts.first().map(|(_, server)| *server);
        !parts.iter().any(|(_, server)| *server == Server::Earlier)
            && parts.iter().any(|(_, server)| Some(*server) != first)
    }

    /// Everything is right: convicts those whose bytes differed from the right ones, and writes
    /// the history.
    pub(super) fn settled(&self) {
        for (digest, trial) in std::mem::take(&mut *self.trials.borrow_mut()) {
            for who in trial.differed {
                self.convict(who, &digest);
            }
        }
        self.remember();
    }

    /// Writes what was measured; a history that cannot be written is no reason to fail a pull.
    pub(super) fn remember(&self) {
        let mut history = self.history.borrow_mut();
        for member in &self.members {
            let trouble = member.trouble.borrow_mut().take();
            if member.bytes.get() == 0 && trouble.is_none() {
                continue;
            }
            let entry = Entry {
                latency: member.latency.get(),
                rate: member.mean_rate(),
                bytes: member.bytes.get(),
                trouble,
            };
            history.measured(&member.name, &entry);
        }
        if let Err(e) = history.write() {
            tracing::debug!("the history of sources is not written: {e}");
        }
    }
}

impl<'a> Member<'a> {
    /// Whether it does wrong again and again, however much comes between.
    fn fails_often(&self) -> bool {
        let faults = self.faults.get();
        faults >= FAULTS && self.bytes.get() < u64::from(faults) * A_FAULT
    }

    /// Bytes a second while it worked; 0 when there were too few to tell.
    fn mean_rate(&self) -> f64 {
        let seconds = self.worked.get().as_secs_f64();
        let enough = self.bytes.get() >= ENOUGH && seconds > 0.0;
        if enough { self.bytes.get() as f64 / seconds } else { 0.0 }
    }

    fn new(origin: Rc<dyn Origin + 'a>) -> Self {
        Member {
            name: origin.name(),
            tier: origin.tier(),
            origin,
            standing: Cell::new(Standing::Good),
            strikes: Cell::default(),
            faults: Cell::default(),
            told: Cell::default(),
            absent: RefCell::default(),
            active: Cell::default(),
            since: Cell::default(),
            worked: Cell::default(),
            bytes: Cell::default(),
            meter: Meter::default(),
            tries: Cell::default(),
            latency: Cell::default(),
            trouble: RefCell::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::origin::{Part, Receive, Served};
    use super::*;
    use crate::image::progress::Recording;
    use crate::image::types::Descriptor;
    use futures_util::future::LocalBoxFuture;

    struct Place(Tier);

    impl Origin for Place {
        fn name(&self) -> String {
            format!("{:?}", self.0)
        }
        fn tier(&self) -> Tier {
            self.0
        }
        fn part<'s>(
            &'s self,
            _: &'s Descriptor,
            _: Part,
            _: &'s mut Receive<'s>,
        ) -> LocalBoxFuture<'s, Result<Served, SourceError>> {
            Box::pin(async { Err(SourceError::Stopped) })
        }
    }

    #[test]
    fn the_next_kind_stands_in_where_one_was_left() {
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let (progress, island) = (Recording::default(), Island::new().unwrap());
        let asked = |kinds: &[Tier], left: &[usize]| {
            let origin = |kind: &Tier| -> Rc<dyn Origin> { Rc::new(Place(*kind)) };
            let origins = kinds.iter().map(origin).collect();
            let (patience, history) = (Patience::default(), History::default());
            let pool = Pool::new(origins, &island, &patience, history, &progress);
            left.iter().for_each(|who| pool.members[*who].standing.set(Standing::Out));
            pool.candidates(&digest)
        };
        use Tier::{Mirror, Registry, RegistryMirror};
        assert_eq!(asked(&[Mirror, Mirror, Registry], &[]), [0, 1]);
        assert_eq!(asked(&[Mirror, Mirror, Registry], &[0]), [1, 2]);
        assert_eq!(asked(&[Mirror, Mirror, Registry], &[0, 1]), [2]);
        let all = [Mirror, RegistryMirror, Registry];
        assert_eq!(asked(&all, &[]), [0]);
        assert_eq!(asked(&all, &[0]), [1]);
        assert_eq!(asked(&all, &[0, 1]), [2]);
        assert_eq!(asked(&all, &[1]), [0]);
        assert_eq!(asked(&[RegistryMirror, Registry], &[]), [0]);
    }
}
