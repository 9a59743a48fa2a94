//! How fast a place is, and when it is slow enough for another one to be tried.

use super::SourceError;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often the speed of the places is looked at.
pub(in crate::image) const LOOK: Duration = Duration::from_millis(500);
/// A place that sends nothing for so long is left when there is another.
pub(in crate::image) const SILENT: Duration = Duration::from_secs(5);
/// A place that is this many times slower than another one is left.
pub(in crate::image) const SLOWER: f64 = 5.0;
/// Places faster than this many bytes a second are never slow.
pub(in crate::image) const FAST_ENOUGH: f64 = 64.0 * 1024.0 * 1024.0;
/// Below so many bytes a second a place is tried of which nothing is known.
pub(in crate::image) const VERY_SLOW: f64 = 2e6;
/// How long a place is watched before it can be called slow.
const WATCHED: Duration = Duration::from_millis(2500);
/// Seconds of work that must be left for another place to be tried.
const WORTH: f64 = 3.0;
/// Bytes after which a place may have shown that it is fast, and the most that it is tried with.
const ENOUGH: u64 = 256 << 10;
const MOST: u64 = 2 << 20;
/// How long a place is tried at most.
const TRIED: Duration = Duration::from_secs(2);

/// Whether `left` bytes take so long at `rate` that another place is worth a try.
pub(in crate::image) fn is_worth(left: u64, rate: f64) -> bool {
    left as f64 > rate * WORTH
}

/// Why a place is left for a faster one.
pub(in crate::image) fn reason(rate: f64, best: f64) -> String {
    let megabytes = |rate: f64| format!("{:.1}", rate / 1e6);
    format!("slow ({} MB/s, the best source has {})", megabytes(rate), megabytes(best))
}

/// Bytes a second of one place, from look to look.
#[derive(Debug, Default)]
pub(in crate::image) struct Meter {
    /// Bytes at the last look, and bytes a second since then, smoothed; 0 before the first.
    looked: Cell<u64>,
    rate: Cell<f64>,
    best: Cell<f64>,
    /// Since when it has been working without a pause.
    busy: Cell<Option<Instant>>,
}

impl Meter {
    /// One of a place that has sent `bytes` so far.
    pub(in crate::image) fn at(bytes: u64) -> Self {
        Meter { looked: Cell::new(bytes), ..Meter::default() }
    }

    /// A look, `after` the last one, at a place that has sent `bytes` in all. `since` is when the
    /// work began that it has now; `None` is for none.
    pub(in crate::image) fn look(&self, bytes: u64, after: Duration, since: Option<Instant>) {
        let now = (bytes - self.looked.replace(bytes)) as f64 / after.as_secs_f64();
        if since.is_none() {
            self.busy.set(None);
            return;
        }
        self.busy.set(self.busy.get().or(since));
        let rate = self.rate.get();
        self.rate.set(if rate == 0.0 { now } else { rate * 0.6 + now * 0.4 });
        self.best.set(self.best.get().max(self.rate.get()));
    }

    /// Bytes a second when it last had work.
    pub(in crate::image) fn rate(&self) -> f64 {
        self.rate.get()
    }

    /// The best of its rates.
    pub(in crate::image) fn best(&self) -> f64 {
        self.best.get()
    }

    /// Whether it has been at work for so long that its rate says something.
    pub(in crate::image) fn is_watched(&self) -> bool {
        self.is_busy_for(WATCHED)
    }

    /// Whether another place may be tried for its rate: who has sent nothing yet may still look
    /// for the blob.
    pub(in crate::image) fn is_doubtful(&self) -> bool {
        self.is_busy_for(if self.looked.get() == 0 { SILENT } else { WATCHED })
    }

    fn is_busy_for(&self, long: Duration) -> bool {
        self.busy.get().is_some_and(|since| since.elapsed() > long)
    }
}

/// The beginning of a blob, fetched only to see how fast a place is.
#[derive(Debug)]
pub(in crate::image) struct Sample {
    needed: f64,
    start: Instant,
    came: Cell<u64>,
}

impl Sample {
    /// One that ends early when more than `needed` bytes a second have come.
    pub(in crate::image) fn new(needed: f64) -> Self {
        Sample { needed, start: Instant::now(), came: Cell::new(0) }
    }

    /// Takes the next bytes, and throws them away. Errors: they were enough.
    pub(in crate::image) fn take(&self, bytes: &[u8]) -> Result<(), SourceError> {
        self.came.set(self.came.get() + bytes.len() as u64);
        if self.is_clear() { Err(SourceError::Stopped) } else { Ok(()) }
    }

    fn is_clear(&self) -> bool {
        let came = self.came.get();
        came >= MOST || (came >= ENOUGH && self.rate() > self.needed)
    }

    fn rate(&self) -> f64 {
        self.came.get() as f64 / self.start.elapsed().as_secs_f64()
    }

    /// Bytes a second of `sending`, which is given what [`Sample::take`] says, where they are more
    /// than were needed.
    pub(in crate::image) async fn faster<T>(
        &self,
        sending: impl Future<Output = Result<T, SourceError>>,
    ) -> Option<f64> {
        let ended = tokio::time::timeout(TRIED, sending).await;
        let rate = self.rate();
        let failed = matches!(ended, Ok(Err(_))) && !self.is_clear();
        (!failed && rate > self.needed).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pause_leaves_the_rate_as_it_was() {
        let (meter, start) = (Meter::default(), Instant::now());
        meter.look(1000, SECOND, Some(start));
        meter.look(2000, SECOND, Some(start));
        meter.look(2000, SECOND, None);
        assert_eq!((meter.rate(), meter.best()), (1000.0, 1000.0));
        meter.look(2000, SECOND, Some(start));
        assert_eq!((meter.rate(), meter.best()), (600.0, 1000.0));
    }

    #[test]
    fn who_has_sent_nothing_is_doubted_later() {
        let three = Instant::now().checked_sub(Duration::from_secs(3));
        let (silent, slow) = (Meter::default(), Meter::default());
        silent.look(0, SECOND, three);
        slow.look(1, SECOND, three);
        assert!(silent.is_watched() && slow.is_watched());
        assert!(!silent.is_doubtful() && slow.is_doubtful());
        slow.look(1, SECOND, None);
        assert!(!slow.is_watched() && !slow.is_doubtful());
    }

    #[test]
    fn a_try_is_worth_it_while_seconds_are_left() {
        assert!(is_worth(4_000_000, 200_000.0) && is_worth(1, 0.0));
        assert!(!is_worth(500_000, 200_000.0) && !is_worth(0, 0.0));
    }
}
