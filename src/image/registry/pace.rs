//! A mirror of a registry that is slow: the endpoint behind it is tried, and takes over where it
//! is far faster.

use super::client::Client;
use super::{RegistryError, RegistrySource};
use crate::image::source::SourceError;
use crate::image::source::origin::Part;
use crate::image::source::speed::{LOOK, Meter, SLOWER, Sample, VERY_SLOW, is_worth, reason};
use crate::image::types::Descriptor;
use futures_util::future::{Either, select};
use std::convert::Infallible;
use std::pin::pin;
use std::time::{Duration, Instant};

/// How often a transfer looks whether its endpoint is still asked.
const LEFT_CHECK: Duration = Duration::from_millis(100);
/// How often the endpoints behind a slow one are tried, and the time between.
const TRIES: u32 = 5;
const AGAIN: Duration = Duration::from_secs(10);

/// What took the place of a slow endpoint.
#[derive(Debug, Clone)]
pub(super) struct Overtaken {
    /// Who serves instead of all before it.
    pub(super) by: usize,
    reason: String,
}

impl RegistrySource<'_> {
    /// Drives `work`, which fetches `left` bytes, `blob` among them; leaves an endpoint that is far
    /// slower than one behind it.
    pub(super) async fn watched<T>(
        &self,
        blob: &Descriptor,
        left: u64,
        work: impl Future<Output = T>,
    ) -> T {
        if self.endpoints.len() == 1 {
            return work.await;
        }
        match select(pin!(work), pin!(self.watch(blob, left))).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn watch(&self, blob: &Descriptor, left: u64) -> Infallible {
        let came = |at: usize| self.endpoints[at].1.came.get();
        let all = || (0..self.endpoints.len()).map(came).sum::<u64>();
        let (before, mut looked, mut since) = (all(), Instant::now(), Instant::now());
        let (mut asked, mut meter) = (self.asked(), Meter::at(came(self.asked())));
        let (mut tries, mut tried) = (0, None::<Instant>);
        loop {
            tokio::time::sleep(LOOK).await;
            if asked != self.asked() {
                (asked, since) = (self.asked(), looked);
                meter = Meter::at(came(asked));
            }
            meter.look(came(asked), looked.elapsed(), Some(since));
            looked = Instant::now();
            let left = left.saturating_sub(all() - before);
            let rested = tried.is_none_or(|at| at.elapsed() > AGAIN);
            let slow = meter.is_doubtful() && meter.rate() < VERY_SLOW;
            if slow && rested && tries < TRIES && is_worth(left, meter.rate()) {
                (tries, tried) = (tries + 1, Some(looked));
                self.try_behind(asked, meter.rate(), blob).await;
            }
        }
    }

    /// The endpoint that is asked now.
    fn asked(&self) -> usize {
        self.at.get().max(self.told.get()).max(self.overtaken_by())
    }

    /// The first endpoint that was not left for being slow.
    pub(super) fn overtaken_by(&self) -> usize {
        self.overtaken.borrow().as_ref().map_or(0, |o| o.by)
    }

    /// Has the endpoints behind a slow one send the beginning of a blob, until one is far faster.
    async fn try_behind(&self, slow: usize, rate: f64, blob: &Descriptor) {
        for by in slow + 1..self.endpoints.len() {
            let sample = Sample::new(rate * SLOWER);
            let mut take = |bytes: &[u8]| sample.take(bytes);
            let part = Part { from: 0, until: None };
            let sending = self.endpoints[by].1.part(blob, part, &mut take);
            if let Some(best) = sample.faster(sending).await {
                *self.overtaken.borrow_mut() = Some(Overtaken { by, reason: reason(rate, best) });
                return;
            }
        }
    }

    /// `operation` at an endpoint; an error as soon as that is left for being slow.
    pub(super) async fn unless_overtaken<T>(
        &self,
        at: usize,
        client: &Client<'_>,
        operation: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let mut operation = pin!(operation);
        loop {
            if let Ok(ended) = tokio::time::timeout(LEFT_CHECK, &mut operation).await {
                return ended;
            }
            if let Some(overtaken) = &*self.overtaken.borrow()
                && at < overtaken.by
            {
                let (registry, reason) = (client.name(), overtaken.reason.clone());
                return Err(RegistryError::Slow { registry, reason }.into());
            }
        }
    }
}
