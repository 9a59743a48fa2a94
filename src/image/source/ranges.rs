//! One big blob from several places at once: ranges that each place takes when it has a hand free,
//! put together in order in memory, never more than [`WINDOW`] of them.

use super::fault::Fault;
use super::origin::{Part, Tier};
use super::pool::{Pool, Server};
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

/// A range on its way, or its end.
struct Done {
    who: usize,
    range: u64,
    result: Result<Option<Vec<u8>>, SourceError>,
}

/// Where a divided blob stands; ranges are counted from the first missing byte at the beginning.
struct Division {
    start: u64,
    size: u64,
    /// Not yet given to anybody.
    next: u64,
    /// Given back by somebody who failed.
    again: Vec<u64>,
    /// Here, but not in order yet.
    ready: BTreeMap<u64, (Vec<u8>, usize)>,
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

    /// The next range to be fetched: first what somebody else could not.
    fn take(&mut self) -> Option<u64> {
        if let Some(range) = self.again.pop() {
            return Some(range);
        }
        let free = self.next < self.count() && self.next < self.head + WINDOW;
        free.then(|| {
            self.next += 1;
            self.next - 1
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
        let (again, ready) = (Vec::new(), BTreeMap::new());
        let mut division = Division { start, size: blob.size, next: 0, again, ready, head: 0 };
        let mut hands = vec![0_usize; self.members.len()];
        let mut running = FuturesUnordered::new();
        while division.head < division.count() {
            let candidates = self.candidates(&blob.digest);
            // Alone a place is as fast without ranges.
            if candidates.len() < 2 && running.is_empty() {
                return Ok(());
            }
            for hand in 0..HANDS {
                for who in &candidates {
                    if candidates.len() > 1
                        && hands[*who] <= hand
                        && let Some(range) = division.take()
                    {
                        hands[*who] += 1;
                        running.push(self.range(*who, blob, division.part(range), range));
                    }
                }
            }
            let Some(Done { who, range, result }) = running.next().await else { return Ok(()) };
            hands[who] -= 1;
            match result {
                Ok(Some(bytes)) => drop(division.ready.insert(range, (bytes, who))),
                Ok(None) => division.again.push(range),
                Err(error) => {
                    division.again.push(range);
                    if self.blame(who, &blob.digest, &error) == Fault::Ours {
                        return Err(error);
                    }
                }
            }
            // The earliest of them is waited for.
            division.again.sort_unstable_by(|a, b| b.cmp(a));
            while let Some((bytes, who)) = division.ready.remove(&division.head) {
                sink.append(&bytes)
                    .map_err(|source| SourceError::Keep { digest: blob.digest.clone(), source })?;
                self.arrived(&blob.digest, bytes.len() as u64);
                self.note_served(&blob.digest, sink.len(), Server::Member(who));
                division.head += 1;
            }
        }
        Ok(())
    }

    async fn range(&self, who: usize, blob: &Descriptor, part: Part, range: u64) -> Done {
        let length = part.until.unwrap_or(blob.size) - part.from;
        let mut bytes = Vec::with_capacity(length as usize);
        let mut keep = |more: &[u8]| {
            bytes.extend_from_slice(more);
            Ok(())
        };
        let result = self.part(who, blob, part, &mut keep).await;
        let result = result.map(|ended| (ended == Ended::Done).then_some(bytes));
        Done { who, range, result }
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
            members.iter().map(|who| self.range(*who, blob, part, 0)).collect();
        let mut samples = Vec::new();
        for Done { who, result, .. } in asked.collect::<Vec<_>>().await {
            match result {
                Ok(Some(bytes)) => samples.push((who, bytes)),
                Ok(None) => {}
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

fn agreed(samples: &[(usize, Vec<u8>)]) -> bool {
    samples.windows(2).all(|pair| pair[0].1 == pair[1].1)
}

fn votes(samples: &[(usize, Vec<u8>)], bytes: &[u8]) -> usize {
    samples.iter().filter(|(_, other)| other == bytes).count()
}
