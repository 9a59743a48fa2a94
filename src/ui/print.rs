//! Standard output and standard error: the one place where text leaves this program.

use super::redact::hide;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

/// The reader of standard output went away (`bolt ps | head -1`): not an error, a wish to stop.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed by its reader")]
pub struct Closed;

/// A child process has told the user what went wrong: nothing is to be added.
#[derive(Debug, thiserror::Error)]
#[error("the reason was told above")]
pub struct Silent;

/// Writes `text` to standard output; to a terminal with its control characters made visible,
/// because names, labels and commands come out of images that may be hostile.
///
/// Errors: [`Closed`] when nobody reads any more, else what write(2) says.
pub fn stdout(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let text = if out.is_terminal() { escaped_text(text) } else { Cow::Borrowed(text) };
    write_all(&mut out, text.as_bytes())
}

/// One line about one of several things that are worked through: the work goes on when nobody
/// reads it.
pub fn line(text: &str) {
    let _ = stdout(&format!("{}\n", escaped_cell(text)));
}

/// Writes bytes to standard output as they are: logs and archives, which belong to the payload.
///
/// Errors: as [`stdout`].
pub fn stdout_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    write_all(&mut io::stdout().lock(), bytes)
}

/// Clears the terminal that standard output is, and goes to its upper left corner.
///
/// Errors: as [`stdout`].
pub fn clear() -> anyhow::Result<()> {
    stdout_bytes(b"\x1b[2J\x1b[H")
}

fn write_all(out: &mut impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        Err(e) => Err(anyhow::Error::new(e).context("write to standard output")),
    }
}

/// Writes bytes to standard error as they are: what a payload wrote there. Nothing can be
/// done, nor told, when that does not work.
pub fn stderr_bytes(bytes: &[u8]) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(bytes).and_then(|()| err.flush());
}

/// One line of a warning: `bolt: warning: TEXT`.
pub fn warning(text: &str) {
    stderr_bytes(format!("bolt: warning: {}\n", escaped_cell(&hide(text))).as_bytes());
}

/// One line about what goes on: `bolt: TEXT`, on standard error.
pub fn note(text: &str) {
    stderr_bytes(format!("bolt: {}\n", escaped_cell(&hide(text))).as_bytes());
}

/// Advice beside an error that is printed already: `hint: TEXT`.
pub fn hint(text: &str) {
    stderr_bytes(format!("hint: {}\n", escaped_text(&hide(text))).as_bytes());
}

/// The end of a command that did not work: `bolt: a: b: c`, then `hint: …` where there is one.
/// Silent when the reader of standard output only went away ([`is_closed`]).
pub fn error_chain(error: &anyhow::Error) {
    if is_closed(error) || error.is::<Silent>() {
        return;
    }
    stderr_bytes(chain_text(error, crate::hint::of(error).as_deref()).as_bytes());
}

/// An error and its causes in one line, for a reason that is told within a sentence.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

/// Whether `error` is [`Closed`] at its root: the exit code is 0 then.
pub fn is_closed(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Closed>())
}

fn chain_text(error: &anyhow::Error, hint: Option<&str>) -> String {
    let mut text = format!("bolt: {}\n", escaped_cell(&hide(&format!("{error:#}"))));
    if let Some(hint) = hint {
        text.push_str(&format!("hint: {}\n", escaped_text(&hide(hint))));
    }
    text
}

/// Control characters made visible, but for the line end and the tab.
pub fn escaped_text(text: &str) -> Cow<'_, str> {
    escaped(text, |c| dangerous(c) && c != '\n' && c != '\t')
}

/// Every control character made visible: what stands in one cell or line stays there.
pub fn escaped_cell(text: &str) -> Cow<'_, str> {
    escaped(text, dangerous)
}

/// Control characters, and those that reorder what a terminal shows (CVE-2021-42574).
fn dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

fn escaped(text: &str, wanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Nearly all of a table, many bytes at a time.
    let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if plain || !text.contains(&wanted) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !wanted(c) => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            '\r' => safe.push_str("\\r"),
            c if (c as u32) < 0x100 => safe.push_str(&format!("\\x{:02x}", c as u32)),
            c => safe.push_str(&format!("\\u{{{:x}}}", c as u32)),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    struct ClosedPipe;
    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let error = write_all(&mut ClosedPipe, b"x").context("list").unwrap_err();
        assert!(is_closed(&error));
        assert!(!is_closed(&anyhow::anyhow!("other")));
    }

    #[test]
    fn errors_are_one_line_and_a_hint() {
        let error = anyhow::anyhow!("c\u{1b}[31m").context("b\nb").context("a");
        assert_eq!(chain_text(&error, Some("do d")), "bolt: a: b\\nb: c\\x1b[31m\nhint: do d\n");
    }

    #[test]
    fn hostile_text_cannot_drive_a_terminal() {
        assert_eq!(escaped_text("a\tb\nc\r\u{9b}2J"), "a\tb\nc\\r\\x9b2J");
        assert_eq!(escaped_cell("a\tb\n\u{202e}x"), "a\\tb\\n\\u{202e}x");
        assert!(matches!(escaped_cell("plain é"), Cow::Borrowed(_)));
    }
}
