//! How far a transfer is: bars on a terminal, plain lines elsewhere, nothing when asked.

use super::{human, print, redact};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

/// Digits of a digest that are shown.
const SHOWN: usize = 12;

/// Shows the blobs of one transfer on standard error. All calls may come from any thread.
#[derive(Debug)]
pub struct Transfer {
    style: Style,
}

#[derive(Debug)]
enum Style {
    Silent,
    Lines(fn(&str)),
    Bars { all: MultiProgress, blobs: Mutex<HashMap<String, ProgressBar>> },
}

impl Transfer {
    /// Bars where standard error is a terminal, else a line for each blob; `quiet`: nothing.
    pub fn new(quiet: bool) -> Transfer {
        let style = if quiet {
            Style::Silent
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            Style::Bars { all, blobs: Mutex::default() }
        } else {
            Style::Lines(line_to_stderr)
        };
        Transfer { style }
    }

    /// A blob of `size` bytes begins to arrive, `had` of them from an earlier try.
    pub fn started(&self, digest: &str, size: u64, had: u64) {
        match &self.style {
            Style::Silent => {}
            Style::Lines(line) if had > 0 => {
                line(&format!(
                    "{}: resuming at {} of {}",
                    short(digest),
                    human::size(had),
                    human::size(size)
                ));
            }
            Style::Lines(line) => line(&format!("{}: {}", short(digest), human::size(size))),
            Style::Bars { all, blobs } => {
                let bar = all.add(ProgressBar::new(size).with_style(bytes_style()));
                bar.set_message(short(digest));
                bar.set_position(had);
                bar.reset_eta();
                let mut blobs = blobs.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(old) = blobs.insert(digest.to_owned(), bar) {
                    all.remove(&old);
                }
            }
        }
    }

    /// `count` more bytes of a blob are here.
    pub fn bytes(&self, digest: &str, count: u64) {
        self.with_bar(digest, |bar| bar.inc(count));
    }

    /// All bytes of a blob are here; its layer is still being unpacked.
    pub fn arrived(&self, digest: &str) {
        self.with_bar(digest, |bar| {
            bar.set_style(plain_style());
            bar.set_message(format!("{} unpacking", short(digest)));
        });
    }

    /// A blob was here already.
    pub fn present(&self, digest: &str) {
        match &self.style {
            Style::Silent => {}
            Style::Lines(line) => line(&format!("{}: already here", short(digest))),
            Style::Bars { all, .. } => {
                let bar = all.add(ProgressBar::new(0).with_style(plain_style()));
                bar.finish_with_message(format!("{} already here", short(digest)));
            }
        }
    }

    /// The layers of a blob are in the store.
    pub fn unpacked(&self, digest: &str) {
        if let Style::Lines(line) = &self.style {
            line(&format!("{}: done", short(digest)));
        }
        self.with_bar(digest, |bar| {
            bar.set_style(plain_style());
            bar.finish_with_message(format!("{} done", short(digest)));
        });
    }

    /// One line that is not about a single blob: a retry, another mirror.
    pub fn note(&self, text: &str) {
        let text = redact::hide(text);
        let text = print::escaped_cell(&text);
        match &self.style {
            Style::Silent => {}
            Style::Lines(line) => line(&text),
            // Above the bars; with nothing to be done when the terminal is gone.
            Style::Bars { all, .. } => drop(all.println(text)),
        }
    }

    /// One line that is shown in any case: `warning: TEXT`.
    pub fn warning(&self, text: &str) {
        match &self.style {
            Style::Silent => print::warning(text),
            _ => self.note(&format!("warning: {text}")),
        }
    }

    fn with_bar(&self, digest: &str, change: impl FnOnce(&ProgressBar)) {
        if let Style::Bars { blobs, .. } = &self.style {
            let blobs = blobs.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(bar) = blobs.get(digest) {
                change(bar);
            }
        }
    }
}

fn line_to_stderr(text: &str) {
    print::stderr_bytes(format!("{text}\n").as_bytes());
}

fn short(digest: &str) -> String {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    print::escaped_cell(&hex.chars().take(SHOWN).collect::<String>()).into_owned()
}

fn bytes_style() -> ProgressStyle {
    let text = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}";
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn plain_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn lines_tell_what_happens() {
        let lines =
            Transfer { style: Style::Lines(|text| SEEN.lock().unwrap().push(text.to_owned())) };
        let digest = "sha256:0123456789abcdef";
        lines.started(digest, 2_000_000, 0);
        lines.started(digest, 2_000_000, 1_000_000);
        lines.bytes(digest, 5);
        lines.arrived(digest);
        lines.unpacked(digest);
        lines.present(digest);
        lines.note("try\x1b again");
        let wanted = [
            "0123456789ab: 2 MB",
            "0123456789ab: resuming at 1 MB of 2 MB",
            "0123456789ab: done",
            "0123456789ab: already here",
            "try\\x1b again",
        ];
        assert_eq!(*SEEN.lock().unwrap(), wanted);
    }

    #[test]
    fn bars_follow_their_blob() {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let bars = Transfer { style: Style::Bars { all, blobs: Mutex::default() } };
        bars.started("sha256:aa", 100, 40);
        bars.bytes("sha256:aa", 10);
        bars.with_bar("sha256:aa", |bar| assert_eq!(bar.position(), 50));
        bars.arrived("sha256:aa");
        bars.unpacked("sha256:aa");
        bars.with_bar("sha256:aa", |bar| assert!(bar.is_finished()));
        bars.note("n");
        bars.present("sha256:bb");
    }
}
