//! One big blob from several places at once: ranges that each place takes when it has a hand free,
//! put together in order in memory, never more than [`WINDOW`] of them. What has come of a range
//! stays when its place fails, and another goes on behind it.

use super::fault::Fault;
use super::origin::{Part, Tier};
use super::pool::{Pool, Server, Standing};
use super::whole::Ended;
use super::{Sink, SourceError};
use crate::image::types::Descriptor;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeMap;

/// Bytes of a range.
const RANGE: u64 = 2 << 20;
/// Ranges that may be ahead of the first one that is missing: with [`RANGE`] the memory it takes.
const WINDOW: u64 = 12;
/// Ranges that one place serves at the same time.
const HANDS: usize = 2;
/// Bytes that every place sends before a blob is divided, so that wrong ones are found early.
const SAMPLE: u64 = 32 << 10;

/// What has come of a range, and from whom: the ends of their parts, in order.
#[derive(Default)]
struct Came {
    bytes: Vec<u8>,
    parts: Vec<(usize, usize)>,
}

/// A range of which no more comes now.
struct Done {
    who: usize,
    range: u64,
    came: Came,
    result: Result<Ended, SourceError>,
}

/// Where a divided blob stands; ranges are counted from the first missing byte at the beginning.
struct Division {
    start: u64,
    size: u64,
    /// Not yet given to anybody.
    next: u64,
    /// Given back by somebody who failed, with what came.
    again: BTreeMap<u64, Came>,
    /// Here, but not in order yet.
    ready: BTreeMap<u64, Came>,
    /// The first range that is not in the sink.
    head: u64,
}

impl Division {
    fn count(&self) -> u64 {
        (self.size - self.start).div_ceil(RANGE)
    }

    fn part(&self, range: u64) -> Part {
        let from = self.start + range * RANGE;
        Part { from, until: Some((from + RANGE).min(self.size)) }
    }

    /// The next range to be fetched: first what somebody else could not, the earliest of it, since
    /// that is waited for.
    fn take(&mut self) -> Option<(u64, Came)> {
        if let Some(given_back) = self.again.pop_first() {
            return Some(given_back);
        }
        let free = self.next < self.count() && self.next < self.head + WINDOW;
        free.then(|| {
            self.next += 1;
            (self.next - 1, Came::default())
        })
    }
}

impl Pool<'_> {
    /// Fetches a blob in ranges from all candidates, as far as they come: the rest, if any, is
    /// left to whoever fetches whole blobs.
    pub(super) async fn ranges(
        &self,
        blob: &Descriptor,
        sink: &mut dyn Sink,
    ) -> Result<(), SourceError> {
        let start = sink.len();
        let (again, ready) = (BTreeMap::new(), BTreeMap::new());
        let mut division = Division { start, size: blob.size, next: 0, again, ready, head: 0 };
        let mut hands = vec![0_usize; self.members.len()];
        let mut running = FuturesUnordered::new();
        while division.head < division.count() {
            // Who was left may fail for ever: whoever fetches whole blobs counts that.
            let mut candidates = self.candidates(&blob.digest);
            candidates.retain(|who| self.members[*who].standing.get() == Standing::Good);
            // Alone a place is as fast without ranges.
            if candidates.len() < 2 && running.is_empty() {
                if let Some(came) = division.again.remove(&division.head) {
                    self.put(blob, sink, &came)?;
                }
                return Ok(());
            }
            for hand in 0..HANDS {
                for who in &candidates {
                    if candidates.len() > 1
                        && hands[*who] <= hand
                        && let Some((range, came)) = division.take()
                    {
                        hands[*who] += 1;
                        running.push(self.range(*who, blob, division.part(range), range, came));
                    }
                }
            }
            let Some(Done { who, range, came, result }) = running.next().await else {
                return Ok(());
            };
            hands[who] -= 1;
            if let Err(error) = result
                && self.blame(who, &blob.digest, &error) == Fault::Ours
            {
                return Err(error);
            }
            // However the answer ended: of a range that is all here nothing can be asked for.
            let whole = came.bytes.len() as u64 == length(division.part(range), blob);
            let list = if whole { &mut division.ready } else { &mut division.again };
            list.insert(range, came);
            while let Some(came) = division.ready.remove(&division.head) {
                self.put(blob, sink, &came)?;
                division.head += 1;
            }
        }
        Ok(())
    }

    /// The next bytes of a blob, and who sent them.
    fn put(&self, blob: &Descriptor, sink: &mut dyn Sink, came: &Came) -> Result<(), SourceError> {
        let mut from = 0;
        for (end, who) in &came.parts {
            let bytes = &came.bytes[from..*end];
            sink.append(bytes)
                .map_err(|source| SourceError::Keep { digest: blob.digest.clone(), source })?;
            self.arrived(&blob.digest, bytes.len() as u64);
            self.note_served(&blob.digest, sink.len(), Server::Member(*who));
            from = *end;
        }
        Ok(())
    }

    /// What is missing of a range, behind what `came` of it.
    async fn range(
        &self,
        who: usize,
        blob: &Descriptor,
        part: Part,
        range: u64,
        mut came: Came,
    ) -> Done {
        let before = came.bytes.len();
        let length = length(part, blob) as usize;
        came.bytes.reserve_exact(length - before);
        let rest = Part { from: part.from + before as u64, ..part };
        let mut keep = |more: &[u8]| {
            came.bytes.extend_from_slice(more);
            Ok(())
        };
        let result = self.part(who, blob, rest, &mut keep).await;
        match self.members[who].standing.get() {
            // Nothing more of it is used.
            Standing::Out | Standing::Suspended => came.bytes.truncate(before),
            Standing::Good | Standing::Last => came.bytes.truncate(length),
        }
        if came.bytes.len() > before {
            came.parts.push((came.bytes.len(), who));
        }
        Done { who, range, came, result }
    }

    /// Has every candidate send the same part of a blob; who sends other bytes than the most is
    /// left. `false` when they cannot agree: then one of them has to send all of it.
    pub(super) async fn compare(&self, blob: &Descriptor) -> Result<bool, SourceError> {
        let from = (blob.size / 2).min(blob.size.saturating_sub(SAMPLE));
        let part = Part { from, until: Some((from + SAMPLE).min(blob.size)) };
        let candidates = self.candidates(&blob.digest);
        let mut samples = self.samples(&candidates, blob, part).await?;
        if agreed(&samples) {
            return Ok(samples.len() > 1);
        }
        // Whoever else there is decides.
        let others: Vec<usize> = (0..self.members.len())
            .filter(|i| !candidates.contains(i) && self.members[*i].tier != Tier::Mirror)
            .filter(|i| self.is_asked(*i))
            .collect();
        samples.extend(self.samples(&others, blob, part).await?);
        let most = samples.iter().max_by_key(|(_, bytes)| votes(&samples, bytes));
        let Some(right) = most.map(|(_, bytes)| bytes.clone()) else { return Ok(false) };
        if votes(&samples, &right) * 2 <= samples.len() {
            self.alone.borrow_mut().insert(blob.digest.clone());
            return Ok(false);
        }
        for (who, bytes) in &samples {
            if *bytes != right {
                self.convict(*who, &blob.digest);
            }
        }
        Ok(self.candidates(&blob.digest).len() > 1)
    }

    async fn samples(
        &self,
        members: &[usize],
        blob: &Descriptor,
        part: Part,
    ) -> Result<Vec<(usize, Vec<u8>)>, SourceError> {
        let asked: FuturesUnordered<_> =
            members.iter().map(|who| self.range(*who, blob, part, 0, Came::default())).collect();
        let mut samples = Vec::new();
        for Done { who, came, result, .. } in asked.collect::<Vec<_>>().await {
            match result {
                Ok(Ended::Done) => samples.push((who, came.bytes)),
                Ok(Ended::Left) => {}
                Err(error) => {
                    if self.blame(who, &blob.digest, &error) == Fault::Ours {
                        return Err(error);
                    }
                }
            }
        }
        Ok(samples)
    }
}

fn length(part: Part, blob: &Descriptor) -> u64 {
    part.until.unwrap_or(blob.size) - part.from
}

fn agreed(samples: &[(usize, Vec<u8>)]) -> bool {
    samples.windows(2).all(|pair| pair[0].1 == pair[1].1)
}

fn votes(samples: &[(usize, Vec<u8>)], bytes: &[u8]) -> usize {
    samples.iter().filter(|(_, other)| other == bytes).count()
}
