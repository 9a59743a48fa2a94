//! The end of the input, told to a terminal of a container.
//!
//! To a terminal the end is a character, and one reading takes it: a shell that goes over to raw
//! mode just then never sees it (termios(3), TCSAFLUSH and ICANON). A closed pipe says its end to
//! every read. So it is told again, a moment after what the program shows next: a prompt.

use rustix::event::Timespec;
use std::time::{Duration, Instant};

/// ^D, as a terminal tells the end of input (termios(3), VEOF).
pub(super) const END_OF_FILE: u8 = 4;
/// Without output for so long, the program waits for something.
const QUIET: Duration = Duration::from_millis(50);
/// A program that never reads is not to be fed for ever.
const TIMES: u32 = 64;

/// When to tell it again; the default: the input has not ended.
#[derive(Debug, Default)]
pub(super) struct EndOfInput {
    left: u32,
    next: Option<Instant>,
}

impl EndOfInput {
    /// It was told for the first time.
    pub(super) fn begin(&mut self, now: Instant) {
        self.left = TIMES;
        self.next = Some(now + QUIET);
    }

    /// The program has shown something.
    pub(super) fn shown(&mut self, now: Instant) {
        if self.left > 0 {
            self.next = Some(now + QUIET);
        }
    }

    /// Whether to tell it now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.left > 0 && self.next.is_some_and(|at| at <= now);
        if due {
            self.left -= 1;
            self.next = None;
        }
        due
    }

    /// How long poll(2) may wait; `None`: until something happens.
    pub(super) fn patience(&self) -> Option<Timespec> {
        let left = self.next?.saturating_duration_since(Instant::now());
        // What is left of a nanosecond would make one more turn without anything to do.
        Some(Timespec {
            tv_sec: 0,
            tv_nsec: (left + Duration::from_micros(1)).subsec_nanos().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_again_after_output_and_not_for_ever() {
        let start = Instant::now();
        let mut end = EndOfInput::default();
        end.shown(start);
        assert!(end.patience().is_none() && !end.is_due(start + QUIET), "it has not ended");
        end.begin(start);
        assert!(end.patience().is_some() && !end.is_due(start));
        end.shown(start + QUIET / 2);
        assert!(!end.is_due(start + QUIET), "the program is at work");
        assert!(end.is_due(start + QUIET * 2));
        assert!(!end.is_due(start + QUIET * 9), "nothing was shown since");
        let mut at = start + QUIET * 9;
        let mut told = 1;
        for _ in 0..TIMES * 2 {
            end.shown(at);
            at += QUIET;
            told += u32::from(end.is_due(at));
        }
        assert_eq!(told, TIMES);
    }
}
