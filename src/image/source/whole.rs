//! The transfers of a pool: several blobs at a time, each from one place until that fails.

use super::fault::{Fault, fault};
use super::origin::{Part, Served};
use super::pool::{Member, Pool, Server, Standing, Trial};
use super::speed::SILENT;
use super::{Fetch, Sink, SourceError, Wanted};
use crate::image::hash::digest_like;
use crate::image::registry::blobs::HEADWAY;
use crate::image::registry::client::{random_share, wait};
use crate::image::s3::S3Error;
use crate::image::types::{Descriptor, Digest};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Blobs on their way at the same time.
const PARALLEL: usize = 6;
/// How often a pull looks whether it is still wanted.
const STOP_CHECK: Duration = Duration::from_millis(100);
/// How often a transfer looks whether its place is still asked.
const STANDING_CHECK: Duration = Duration::from_millis(100);
/// Bytes of each suspect that a witness is asked for.
const WITNESSED: u64 = 4 << 20;
/// A blob that is bigger is fetched from all places at once, in ranges.
pub(super) const BIG: u64 = 24 << 20;

impl Fetch for Pool<'_> {
    fn fetch(&self, wanted: Vec<Wanted<'_>>, stopped: &AtomicBool) {
        let lacks = |w: &Wanted<'_>| w.blob.size.saturating_sub(w.sink.len());
        self.left.set(wanted.iter().map(lacks).sum());
        self.island.run(self.watched(async {
            // One big blob at a time: its ranges wait in memory for their turn.
            let splitting = tokio::sync::Mutex::new(());
            let mut waiting = wanted.into_iter();
            let mut running: FuturesUnordered<_> =
                waiting.by_ref().take(PARALLEL).map(|w| self.fetch_one(w, &splitting)).collect();
            while !stopped.load(Ordering::Relaxed) {
                match tokio::time::timeout(STOP_CHECK, running.next()).await {
                    Ok(Some(())) => {
                        running.extend(waiting.next().map(|w| self.fetch_one(w, &splitting)));
                    }
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
        }));
    }
}

impl Pool<'_> {
    async fn fetch_one(&self, wanted: Wanted<'_>, splitting: &tokio::sync::Mutex<()>) {
        let Wanted { blob, mut sink } = wanted;
        self.progress.blob_started(&blob.digest, blob.size, sink.len());
        let result = self.blob(blob, sink.as_mut(), splitting).await;
        if self.is_mixed(&blob.digest) {
            sink.keep_if_wrong();
        }
        if result.is_ok() {
            self.progress.blob_done(&blob.digest);
        }
        sink.end(result);
    }

    async fn blob(
        &self,
        blob: &Descriptor,
        sink: &mut dyn Sink,
        splitting: &tokio::sync::Mutex<()>,
    ) -> Result<(), SourceError> {
        if self.trials.borrow().contains_key(&blob.digest) {
            self.hear_witness(blob, sink).await?;
        }
        // Left in its place, so that it is done again when this fetch is broken off.
        let trial = self.trials.borrow().get(&blob.digest).cloned();
        if let Some(trial) = trial {
            self.replace(blob, sink, &trial).await?;
            let all = vec![(blob.size, Server::Member(trial.trusted))];
            self.served.borrow_mut().insert(blob.digest.clone(), all);
            return Ok(());
        }
        let known =
            self.served.borrow().get(&blob.digest).and_then(|p| p.last().map(|(end, _)| *end));
        if known.unwrap_or(0) != sink.len() {
            self.served.borrow_mut().remove(&blob.digest);
            self.note_served(&blob.digest, sink.len(), Server::Earlier);
        }
        let split = blob.size - sink.len().min(blob.size) >= BIG
            && self.candidates(&blob.digest).len() > 1
            && !self.alone.borrow().contains(&blob.digest);
        if split {
            let _alone = splitting.lock().await;
            if self.compare(blob).await? {
                self.ranges(blob, sink).await?;
            }
        }
        self.whole(blob, sink).await
    }

    /// Writes down who served the bytes up to `end`.
    pub(super) fn note_served(&self, digest: &Digest, end: u64, server: Server) {
        let mut all = self.served.borrow_mut();
        let served = all.entry(digest.clone()).or_default();
        match served.last_mut() {
            Some((last, by)) if *by == server => *last = (*last).max(end),
            last => {
                if end > last.map_or(0, |(last, _)| *last) {
                    served.push((end, server));
                }
            }
        }
    }

    /// Fetches the rest of a blob, from one place after another until it is there.
    async fn whole(&self, blob: &Descriptor, sink: &mut dyn Sink) -> Result<(), SourceError> {
        let digest = &blob.digest;
        let (mut failures, mut last) = (0, None);
        while sink.len() < blob.size {
            let Some(who) = self.pick(digest, last) else { return Err(self.nobody(digest)) };
            let before = sink.len();
            let mut keep = |bytes: &[u8]| {
                sink.append(bytes)
                    .map_err(|source| SourceError::Keep { digest: digest.clone(), source })?;
                self.arrived(digest, bytes.len() as u64);
                Ok(())
            };
            let part = Part { from: before, until: None };
            let result = self.part(who, blob, part, &mut keep).await;
            self.note_served(digest, sink.len(), Server::Member(who));
            last = Some(who);
            if sink.len() - before >= HEADWAY {
                failures = 0;
            }
            let error = match result {
                Ok(Ended::Done) if sink.len() < blob.size => return Err(self.nobody(digest)),
                Ok(_) => continue,
                Err(error) => error,
            };
            match self.blame(who, digest, &error) {
                Fault::Ours => return Err(error),
                Fault::Absent if self.candidates(digest).is_empty() => return Err(error),
                Fault::Absent => {}
                Fault::Passing | Fault::Lasting => {
                    failures += 1;
                    let others = self.candidates(digest).iter().any(|i| *i != who);
                    let most = self.patience.retries + self.members.len() as u32;
                    if failures > most || (!others && self.is_enough(&error, failures)) {
                        return Err(error);
                    }
                    if !others {
                        self.pause(who, digest, &error, failures).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the only place left is given up.
    fn is_enough(&self, error: &SourceError, failures: u32) -> bool {
        failures > self.patience.retries || fault(error) != Fault::Passing
    }

    /// Leaves a member that may still answer one day, when another can serve meanwhile.
    fn leave_silent(&self, who: usize) {
        let mut others = self.members.iter().enumerate();
        if others.any(|(i, m)| i != who && m.standing.get() == Standing::Good) {
            self.leave(who, &format!("no byte arrived for {} s", SILENT.as_secs()));
        }
    }

    fn nobody(&self, digest: &Digest) -> SourceError {
        let place = self.members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
        SourceError::S3(S3Error::NoSuchKey { place, key: format!("blob {digest}") })
    }

    /// Waits before `who` is asked again, and says why: once, where another can serve in the end.
    async fn pause(&self, who: usize, digest: &Digest, error: &SourceError, failures: u32) {
        let wait = wait(&self.patience, None, failures, random_share());
        let (of, s) = (self.patience.retries, wait.as_secs_f64());
        if self.has_stand_in(who, digest) {
            self.tell(who, &error.to_string(), "it is asked again, then the other sources go on");
        } else {
            self.progress.note(&format!("{error}; retry {failures} of {of} in {s:.1} s"));
        }
        tokio::time::sleep(wait).await;
    }

    /// A part of a blob from one member, counted and timed; ended when the member is left.
    pub(super) async fn part(
        &self,
        who: usize,
        blob: &Descriptor,
        part: Part,
        receive: &mut dyn FnMut(&[u8]) -> Result<(), SourceError>,
    ) -> Result<Ended, SourceError> {
        let member = &self.members[who];
        let (start, first, came) = (Instant::now(), Cell::new(true), Cell::new(0));
        let heard = Cell::new(start);
        let standing = member.standing.get();
        let under_way = self.begins(who, blob, part);
        let mut counted = |bytes: &[u8]| {
            if first.replace(false) {
                self.answered(who, start.elapsed());
            }
            heard.set(Instant::now());
            under_way.came(bytes.len() as u64);
            came.set(came.get() + bytes.len() as u64);
            receive(bytes)
        };
        let result = {
            let mut transfer = member.origin.part(blob, part, &mut counted);
            loop {
                match tokio::time::timeout(STANDING_CHECK, &mut transfer).await {
                    Ok(result) => break result.map(Some),
                    Err(_) if member.standing.get() != standing => break Ok(None),
                    Err(_) if heard.get().elapsed() > SILENT => self.leave_silent(who),
                    Err(_) => {}
                }
            }
        };
        drop(under_way);
        if came.get() >= HEADWAY || matches!(result, Ok(Some(_))) {
            self.forgive(who);
        }
        Ok(match result? {
            Some(Served { whole: true }) => {
                self.leave(who, "it ignores Range and sends whole blobs");
                Ended::Done
            }
            Some(_) => Ended::Done,
            None => Ended::Left,
        })
    }

    /// Fetches a bit of what each suspect sent from somebody who sent nothing of the blob. When
    /// only one suspect agrees with that, it is the one to be believed.
    async fn hear_witness(&self, blob: &Descriptor, sink: &dyn Sink) -> Result<(), SourceError> {
        let Some(trial) = self.trials.borrow().get(&blob.digest).cloned() else { return Ok(()) };
        let suspects: BTreeSet<usize> =
            trial.served.iter().filter_map(|(_, s)| s.member()).collect();
        let Some(witness) = self.stranger(&suspects) else { return Ok(()) };
        let mut agree = Vec::new();
        for suspect in suspects {
            let Some(part) = first_part(&trial, suspect) else { continue };
            let mut bytes = Vec::new();
            let mut keep = |more: &[u8]| {
                bytes.extend_from_slice(more);
                Ok(())
            };
            match self.part(witness, blob, part, &mut keep).await {
                Ok(Ended::Done) => {}
                Ok(Ended::Left) => return Ok(()),
                // It need not have the blob.
                Err(error) => match self.blame(witness, &blob.digest, &error) {
                    Fault::Ours => return Err(error),
                    _ => return Ok(()),
                },
            }
            let kept = |source| SourceError::Keep { digest: blob.digest.clone(), source };
            if !sink.differs(part.from, &bytes).map_err(kept)? {
                agree.push(suspect);
            }
        }
        if let [one] = agree.as_slice() {
            self.believe(&blob.digest, *one);
        }
        Ok(())
    }

    /// A member that is none of `suspects` and may be asked.
    fn stranger(&self, suspects: &BTreeSet<usize>) -> Option<usize> {
        let fits = |(i, m): &(usize, &Member<'_>)| {
            !suspects.contains(i)
                && !m.origin.is_left()
                && matches!(m.standing.get(), Standing::Good | Standing::Last)
        };
        self.members.iter().enumerate().find(fits).map(|(i, _)| i)
    }

    /// Replaces the bytes of a blob that others than the trusted member served by its own; by
    /// those of one that sent nothing of it, where the trusted one fails.
    async fn replace(
        &self,
        blob: &Descriptor,
        sink: &mut dyn Sink,
        trial: &Trial,
    ) -> Result<(), SourceError> {
        let kept = |source| SourceError::Keep { digest: blob.digest.clone(), source };
        for (end, server) in &trial.served {
            let (end, Server::Member(who)) = (*end, *server) else { continue };
            if who == trial.trusted {
                let count = end - sink.len();
                sink.reuse(count).map_err(kept)?;
                self.arrived(&blob.digest, count);
                continue;
            }
            let (mut from, mut failures) = (trial.trusted, 0);
            while sink.len() < end {
                let before = sink.len();
                let part = Part { from: before, until: Some(end) };
                let mut differs = false;
                let mut replace = |bytes: &[u8]| {
                    differs |= sink.differs(sink.len(), bytes).map_err(kept)?;
                    sink.append(bytes).map_err(kept)?;
                    self.arrived(&blob.digest, bytes.len() as u64);
                    Ok(())
                };
                let result = self.part(from, blob, part, &mut replace).await;
                if differs && let Some(kept) = self.trials.borrow_mut().get_mut(&blob.digest) {
                    kept.differed.insert(who);
                }
                if let Err(error) = result {
                    let suspects = trial.served.iter().filter_map(|(_, s)| s.member()).collect();
                    let other = self.stranger(&suspects).filter(|_| from == trial.trusted);
                    if let Some(other) = other {
                        from = other;
                        continue;
                    }
                    if sink.len() - before >= HEADWAY {
                        failures = 0;
                    }
                    failures += 1;
                    if self.is_enough(&error, failures) {
                        return Err(error);
                    }
                    self.pause(from, &blob.digest, &error, failures).await;
                }
            }
        }
        Ok(())
    }

    /// A whole small blob, verified.
    pub(super) fn small(&self, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, SourceError> {
        let too_large = || {
            let place = self.members.first().map(|m| m.name.clone()).unwrap_or_default();
            let key = format!("configuration {}", wanted.digest);
            SourceError::S3(S3Error::Size { place, key, wanted: limit, got: wanted.size })
        };
        if wanted.size > limit {
            return Err(too_large());
        }
        self.island.run(self.watched(self.verified(wanted)))
    }

    async fn verified(&self, wanted: &Descriptor) -> Result<Vec<u8>, SourceError> {
        let digest = &wanted.digest;
        let (mut failures, mut last, mut trouble) = (0, None, None);
        while let Some(who) = self.pick(digest, last) {
            let mut bytes = Vec::new();
            let mut keep = |more: &[u8]| {
                bytes.extend_from_slice(more);
                Ok(())
            };
            let part = Part { from: 0, until: None };
            let result = self.part(who, wanted, part, &mut keep).await;
            last = Some(who);
            let error = match result {
                Ok(Ended::Left) => continue,
                Ok(Ended::Done) => {
                    let got = digest_like(digest, &bytes);
                    if got == digest.as_str() {
                        return Ok(bytes);
                    }
                    self.convict(who, digest);
                    let place = self.members[who].name.clone();
                    let (wanted, key) = (digest.clone(), format!("blob {digest}"));
                    trouble = Some(S3Error::Digest { place, key, wanted, got }.into());
                    continue;
                }
                Err(error) => error,
            };
            failures += 1;
            let fault = self.blame(who, digest, &error);
            let others = self.candidates(digest).iter().any(|i| *i != who);
            let most = self.patience.retries + self.members.len() as u32;
            if fault == Fault::Ours || failures > most {
                return Err(error);
            }
            if !others && fault != Fault::Absent {
                if self.is_enough(&error, failures) {
                    return Err(error);
                }
                self.pause(who, digest, &error, failures).await;
            }
            trouble = Some(error);
        }
        Err(trouble.unwrap_or_else(|| self.nobody(digest)))
    }
}

/// The first bytes of a suspect, at most [`WITNESSED`] of them.
fn first_part(trial: &Trial, suspect: usize) -> Option<Part> {
    let at = trial.served.iter().position(|(_, server)| server.member() == Some(suspect))?;
    let from = if at == 0 { 0 } else { trial.served[at - 1].0 };
    Some(Part { from, until: Some(trial.served[at].0.min(from + WITNESSED)) })
}

/// How a transfer ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All that was asked for is here.
    Done,
    /// Its place was left meanwhile.
    Left,
}
