//! Who is left for being slow. The places of a pull that work are compared with each other. One
//! that has nothing to do, or is not asked as long as others serve, was as fast as it was, or
//! nobody knows: it is tried with a bit of a blob before it is believed to be faster, so that a
//! line that is slow for all is nobody's fault.

use super::origin::Part;
use super::pool::{Member, Pool, Standing};
use super::speed::{FAST_ENOUGH, LOOK, SLOWER, Sample, VERY_SLOW, is_worth, reason};
use crate::image::registry::blobs::HEADWAY;
use crate::image::types::{Descriptor, Digest};
use futures_util::future::{Either, select};
use std::convert::Infallible;
use std::pin::pin;
use std::time::{Duration, Instant};

/// How long after the first try a place is tried again; twice as long after each further one.
const AGAIN: Duration = Duration::from_secs(10);
/// Most doublings of [`AGAIN`].
const MOST_DOUBLINGS: u32 = 8;

/// What a member is asked for.
#[derive(Debug)]
pub(super) struct Transfer {
    who: usize,
    blob: Descriptor,
    /// Bytes that have not come yet.
    left: u64,
}

/// A transfer on its way; it ends when this is dropped.
pub(super) struct UnderWay<'p, 'a> {
    pool: &'p Pool<'a>,
    id: u64,
    who: usize,
}

impl UnderWay<'_, '_> {
    /// More bytes have come.
    pub(super) fn came(&self, bytes: u64) {
        let member = &self.pool.members[self.who];
        member.bytes.set(member.bytes.get() + bytes);
        if let Some(transfer) = self.pool.under_way.borrow_mut().get_mut(&self.id) {
            transfer.left = transfer.left.saturating_sub(bytes);
        }
    }
}

impl Drop for UnderWay<'_, '_> {
    fn drop(&mut self) {
        self.pool.under_way.borrow_mut().remove(&self.id);
        let member = &self.pool.members[self.who];
        member.active.set(member.active.get().saturating_sub(1));
        if member.active.get() == 0
            && let Some(since) = member.since.take()
        {
            member.worked.set(member.worked.get() + since.elapsed());
        }
    }
}

/// A member that is slow, and one that may be faster.
struct Doubt {
    slow: usize,
    other: usize,
    /// What the slow one is sending.
    blob: Descriptor,
    /// Bytes a second of the slow one, and those at which the other one takes its place: more than
    /// all that work now have together, who may share a slow line.
    rate: f64,
    needed: f64,
}

impl<'a> Pool<'a> {
    /// A transfer from a member begins.
    pub(super) fn begins(&self, who: usize, blob: &Descriptor, part: Part) -> UnderWay<'_, 'a> {
        let member = &self.members[who];
        if member.active.replace(member.active.get() + 1) == 0 {
            member.since.set(Some(Instant::now()));
        }
        let mut under_way = self.under_way.borrow_mut();
        let id = under_way.last_key_value().map_or(0, |(last, _)| last + 1);
        let left = part.until.unwrap_or(blob.size).saturating_sub(part.from);
        under_way.insert(id, Transfer { who, blob: blob.clone(), left });
        UnderWay { pool: self, id, who }
    }

    /// More bytes of a blob are where they belong.
    pub(super) fn arrived(&self, digest: &Digest, bytes: u64) {
        self.left.set(self.left.get().saturating_sub(bytes));
        self.progress.blob_bytes(digest, bytes);
    }

    /// Drives `work` to its end and leaves who is slow meanwhile.
    pub(super) async fn watched<T>(&self, work: impl Future<Output = T>) -> T {
        match select(pin!(work), pin!(self.watch())).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn watch(&self) -> Infallible {
        let mut looked = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            self.look(looked.elapsed());
            looked = Instant::now();
            if let Some(doubt) = self.doubt() {
                self.try_out(&doubt).await;
            }
        }
    }

    /// Looks at everybody's speed; who is far slower than another one that works is left.
    fn look(&self, after: Duration) {
        for member in &self.members {
            member.meter.look(member.bytes.get(), after, member.since.get());
        }
        for (i, member) in self.members.iter().enumerate() {
            let others = self.members.iter().enumerate();
            let others = others.filter(|(n, m)| *n != i && m.standing.get() == Standing::Good);
            let working = others.filter(|(_, m)| m.active.get() > 0);
            let best = working.map(|(_, m)| m.meter.rate()).fold(0.0, f64::max);
            let rate = member.meter.rate();
            if member.meter.is_watched() && rate < FAST_ENOUGH && rate * SLOWER < best {
                self.leave(i, &reason(rate, best));
            }
        }
    }

    /// The first member that is so slow that an idle one is to be tried.
    fn doubt(&self) -> Option<Doubt> {
        let working = self.members.iter().filter(|m| m.active.get() > 0);
        let total = working.map(|m| m.meter.rate()).sum();
        let slow = |(who, m): (usize, &Member<'a>)| {
            let rate = m.meter.rate();
            // Who sends nothing at all is left for that.
            let sends = m.standing.get() == Standing::Good && m.bytes.get() > 0;
            if !sends || !m.meter.is_doubtful() {
                return None;
            }
            let (blob, left) = self.sending(who)?;
            if !is_worth(left, rate) && !is_worth(self.left.get(), total) {
                return None;
            }
            let other = self.idle(&blob, rate, total)?;
            Some(Doubt { slow: who, other, blob, rate, needed: total.max(rate * SLOWER) })
        };
        self.members.iter().enumerate().find_map(slow)
    }

    /// The blob of which most is still to come from a member, and all bytes that are.
    fn sending(&self, who: usize) -> Option<(Descriptor, u64)> {
        let under_way = self.under_way.borrow();
        let own = || under_way.values().filter(|t| t.who == who);
        let most = own().max_by_key(|t| t.left)?;
        Some((most.blob.clone(), own().map(|t| t.left).sum()))
    }

    /// The best member without work that may be far faster than `rate`, where all that work have
    /// `total` together.
    fn idle(&self, blob: &Descriptor, rate: f64, total: f64) -> Option<usize> {
        let fits = |m: &Member<'a>| {
            let known = match m.measured() {
                Some(speed) => speed > rate * SLOWER,
                // A history may be old: nobody is refused a try for it.
                None => total < VERY_SLOW || self.history.borrow().speed(&m.name) > rate * SLOWER,
            };
            m.standing.get() == Standing::Good
                && m.active.get() == 0
                && !m.origin.is_left()
                && !m.absent.borrow().contains(&blob.digest)
                && m.may_be_tried()
                && known
        };
        self.members.iter().position(fits)
    }

    /// Has an idle member send the beginning of a blob. When that is far faster the slow one is
    /// left: what it was sending goes on elsewhere.
    async fn try_out(&self, doubt: &Doubt) {
        let other = &self.members[doubt.other];
        other.tries.set((other.tries.get().0 + 1, Some(Instant::now())));
        let sample = Sample::new(doubt.needed);
        let mut take = |bytes: &[u8]| sample.take(bytes);
        let part = Part { from: 0, until: None };
        let sending = self.part(doubt.other, &doubt.blob, part, &mut take);
        if let Some(best) = sample.faster(sending).await {
            self.leave(doubt.slow, &reason(doubt.rate, best));
        }
    }
}

impl Member<'_> {
    /// Bytes a second in this pull, when there were enough to tell.
    fn measured(&self) -> Option<f64> {
        let now = self.since.get().map_or(Duration::ZERO, |since| since.elapsed());
        let seconds = (self.worked.get() + now).as_secs_f64();
        let mean = self.bytes.get() as f64 / seconds;
        (self.bytes.get() >= HEADWAY).then(|| mean.max(self.meter.best()))
    }

    fn may_be_tried(&self) -> bool {
        let (times, last) = self.tries.get();
        let pause = AGAIN * 2_u32.pow(times.saturating_sub(1).min(MOST_DOUBLINGS));
        last.is_none_or(|last| last.elapsed() > pause)
    }
}
