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
/// A place that is this many times slower than the best one is left.
const SLOWER: f64 = 6.0;
/// How long a place is watched before it can be called slow.
const WATCHED: Duration = Duration::from_millis(2500);
/// Bytes from which on a rate means something.
const ENOUGH: u64 = 256 << 10;
/// Places faster than this many bytes a second are never slow.
const FAST_ENOUGH: f64 = 64.0 * 1024.0 * 1024.0;

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
    /// The user knows that it does wrong.
    told: Cell<bool>,
    absent: RefCell<BTreeSet<Digest>>,
    /// Transfers that are on their way.
    active: Cell<usize>,
    /// Since when there is one, and for how long there was one before.
    since: Cell<Option<Instant>>,
    worked: Cell<Duration>,
    /// All bytes of this pull.
    bytes: Cell<u64>,
    /// Bytes at the last look, and bytes a second since then, smoothed; 0 before the first.
    looked: Cell<u64>,
    rate: Cell<f64>,
    /// Since when it has been working without a pause.
    busy: Cell<Option<Instant>>,
    /// Best rate seen: what the history is told.
    best: Cell<f64>,
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
    history: RefCell<History>,
    pub(super) served: RefCell<BTreeMap<Digest, Parts>>,
    pub(super) trials: RefCell<BTreeMap<Digest, Trial>>,
    /// Blobs that are fetched from one place only, so that it can be convicted.
    pub(super) alone: RefCell<BTreeSet<Digest>>,
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
        let speed = |m: &Member<'_>| m.best.get().max(self.history.borrow().speed(&m.name));
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
                if member.strikes.get() >= STRIKES {
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

    /// Bytes that came from a member.
    pub(super) fn count(&self, who: usize, bytes: u64) {
        let member = &self.members[who];
        member.bytes.set(member.bytes.get() + bytes);
    }

    /// So much came from a member at one time that its faults are not in a row.
    pub(super) fn forgive(&self, who: usize) {
        self.members[who].strikes.set(0);
    }

    /// A transfer from a member begins.
    pub(super) fn begins(&self, who: usize) {
        let member = &self.members[who];
        if member.active.replace(member.active.get() + 1) == 0 {
            member.since.set(Some(Instant::now()));
        }
    }

    /// A transfer from a member has ended.
    pub(super) fn ends(&self, who: usize) {
        let member = &self.members[who];
        member.active.set(member.active.get().saturating_sub(1));
        if member.active.get() == 0
            && let Some(since) = member.since.take()
        {
            member.worked.set(member.worked.get() + since.elapsed());
        }
    }

    /// The transfers that were broken off have ended too.
    pub(super) fn all_end(&self) {
        for who in 0..self.members.len() {
            while self.members[who].active.get() > 0 {
                self.ends(who);
            }
        }
    }

    /// The time until a member's first byte.
    pub(super) fn answered(&self, who: usize, after: Duration) {
        let member = &self.members[who];
        let least = member.latency.get().map_or(after, |l| l.min(after));
        member.latency.set(Some(least));
    }

    /// Looks at everybody's speed; who is far slower than the best is left.
    pub(super) fn watch(&self, since: Duration) {
        for member in &self.members {
            let bytes = member.bytes.get();
            let now = (bytes - member.looked.replace(bytes)) as f64 / since.as_secs_f64();
            if member.active.get() == 0 {
                member.busy.set(None);
                continue;
            }
            if member.busy.get().is_none() {
                member.busy.set(Some(Instant::now()));
            }
            let rate = member.rate.get();
            member.rate.set(if rate == 0.0 { now } else { rate * 0.6 + now * 0.4 });
            member.best.set(member.best.get().max(member.rate.get()));
        }
        for (i, member) in self.members.iter().enumerate() {
            let watched = member.busy.get().is_some_and(|since| since.elapsed() > WATCHED);
            let rate = member.rate.get();
            let others = self.members.iter().enumerate();
            let others = others.filter(|(n, m)| *n != i && m.standing.get() == Standing::Good);
            // What the others do now: a line that is slow for all is nobody's fault.
            let now = |m: &Member<'_>| if m.active.get() > 0 { m.rate.get() } else { m.best.get() };
            let best = others.map(|(_, m)| now(m)).fold(0.0, f64::max);
            if watched && rate < FAST_ENOUGH && rate * SLOWER < best {
                let (rate, best) = (megabytes(rate), megabytes(best));
                self.leave(i, &format!("slow ({rate} MB/s, the best source has {best})"));
            }
        }
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
                let trusted = several.iter().copied().min_by_key(|i| {
                    let member = &self.members[*i];
                    (self.history.borrow().lies(&member.name), std::cmp::Reverse(member.tier))
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

/// MB/s with one digit.
fn megabytes(rate: f64) -> String {
    format!("{:.1}", rate / 1e6)
}

impl<'a> Member<'a> {
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
            told: Cell::default(),
            absent: RefCell::default(),
            active: Cell::default(),
            since: Cell::default(),
            worked: Cell::default(),
            bytes: Cell::default(),
            looked: Cell::default(),
            rate: Cell::default(),
            busy: Cell::default(),
            best: Cell::default(),
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
