//! Characters → text and actions, actions → tokens.

use super::{Fault, fault};

/// A stretch of the template.
#[derive(Debug)]
pub(super) enum Segment {
    /// Copied to the output.
    Text(String),
    /// The tokens between `{{` and `}}`, and the offset of the `{{`.
    Action(Vec<Token>, usize),
}

/// One token and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) offset: usize,
    /// Nothing stood between this token and the one before: `.A.B` is one operand, `.A .B` two.
    pub(super) glued: bool,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Dot,
    Field(String),
    Variable(String),
    Word(String),
    Text(String),
    Int(i64),
    Float(f64),
    Pipe,
    Open,
    Close,
    Declare,
    Assign,
    Comma,
}

/// Splits a template into text and actions; trim markers and comments are gone afterwards.
pub(super) fn segments(source: &str) -> Result<Vec<Segment>, Fault> {
    let mut found = Vec::new();
    let (mut at, mut trim_next) = (0, false);
    loop {
        let rest = &source[at..];
        let Some(open) = rest.find("{{") else {
            push_text(&mut found, rest, trim_next, false);
            return Ok(found);
        };
        let start = at + open + 2;
        let trim_before = opens_with_trim(&source[start..]);
        push_text(&mut found, &rest[..open], trim_next, trim_before);
        let body = if trim_before { start + 1 } else { start };
        let (tokens, end, trims) = action(source, body, start - 2)?;
        if let Some(tokens) = tokens {
            found.push(Segment::Action(tokens, start - 2));
        }
        (at, trim_next) = (end, trims);
    }
}

fn opens_with_trim(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(char::is_whitespace)
}

fn push_text(found: &mut Vec<Segment>, raw: &str, trim_start: bool, trim_end: bool) {
    let text = raw.replace("\\n", "\n").replace("\\t", "\t");
    let mut text = text.as_str();
    if trim_start {
        text = text.trim_start();
    }
    if trim_end {
        text = text.trim_end();
    }
    if !text.is_empty() {
        found.push(Segment::Text(text.to_owned()));
    }
}

type Action = (Option<Vec<Token>>, usize, bool);

/// Reads one action from `at` to behind its `}}`; no tokens when it is a comment.
fn action(source: &str, at: usize, open: usize) -> Result<Action, Fault> {
    let inner = source[at..].trim_start();
    if inner.starts_with("/*") {
        return comment(source, source.len() - inner.len(), open);
    }
    let mut tokens = Vec::new();
    let (mut at, mut glued) = (at, false);
    loop {
        let rest = &source[at..];
        let Some(c) = rest.chars().next() else {
            return fault(open, "the action that starts here is not closed by }}");
        };
        if rest.starts_with("}}") {
            return Ok((Some(tokens), at + 2, false));
        }
        if c.is_whitespace() {
            let skipped = rest.trim_start();
            at = source.len() - skipped.len();
            if skipped.starts_with("-}}") {
                return Ok((Some(tokens), at + 3, true));
            }
            glued = false;
            continue;
        }
        let (kind, length) = token(rest, at)?;
        tokens.push(Token { kind, offset: at, glued });
        at += length;
        glued = true;
    }
}

fn comment(source: &str, at: usize, open: usize) -> Result<Action, Fault> {
    let Some(end) = source[at..].find("*/") else {
        return fault(open, "the comment that starts here is not closed by */");
    };
    let rest = &source[at + end + 2..];
    let behind = rest.trim_start();
    let at = source.len() - behind.len();
    if behind.starts_with("}}") {
        Ok((None, at + 2, false))
    } else if behind.starts_with("-}}") && behind.len() < rest.len() {
        Ok((None, at + 3, true))
    } else {
        fault(open, "a comment must be alone in its action: {{/* text */}}")
    }
}

fn token(rest: &str, at: usize) -> Result<(Kind, usize), Fault> {
    let first = rest.as_bytes()[0];
    match first {
        b'|' => Ok((Kind::Pipe, 1)),
        b'(' => Ok((Kind::Open, 1)),
        b')' => Ok((Kind::Close, 1)),
        b',' => Ok((Kind::Comma, 1)),
        b':' if rest.starts_with(":=") => Ok((Kind::Declare, 2)),
        b'=' => Ok((Kind::Assign, 1)),
        b'"' => quoted(rest, at),
        b'`' => match rest[1..].find('`') {
            Some(end) => Ok((Kind::Text(rest[1..=end].to_owned()), end + 2)),
            None => fault(at, "the raw string that starts here is not closed by `"),
        },
        b'\'' => character(rest, at),
        b'$' => {
            let name = word(&rest[1..]);
            Ok((Kind::Variable(name.to_owned()), 1 + name.len()))
        }
        b'.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let name = word(&rest[1..]);
            let kind = if name.is_empty() { Kind::Dot } else { Kind::Field(name.to_owned()) };
            Ok((kind, 1 + name.len()))
        }
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(rest, at),
        _ => {
            let name = word(rest);
            if name.is_empty() {
                let c = rest.chars().next().unwrap_or(' ');
                return fault(at, format!("unexpected {c:?} in an action"));
            }
            Ok((Kind::Word(name.to_owned()), name.len()))
        }
    }
}

fn word(rest: &str) -> &str {
    let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
    &rest[..end]
}

fn number(rest: &str, at: usize) -> Result<(Kind, usize), Fault> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
    let text = rest[..end].replace('_', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    let lower = digits.to_ascii_lowercase();
    let based = [("0x", 16), ("0o", 8), ("0b", 2)]
        .iter()
        .find_map(|(prefix, base)| lower.strip_prefix(prefix).map(|d| (d, *base)));
    let integer = match based {
        Some((digits, base)) => i64::from_str_radix(digits, base).ok(),
        None => digits.parse::<i64>().ok(),
    };
    match (integer, digits.parse::<f64>()) {
        (Some(n), _) => Ok((Kind::Int(sign * n), end)),
        (None, Ok(x)) if based.is_none() && x.is_finite() => {
            Ok((Kind::Float(sign as f64 * x), end))
        }
        _ => fault(at, format!("{} is not a number", &rest[..end])),
    }
}

fn quoted(rest: &str, at: usize) -> Result<(Kind, usize), Fault> {
    let mut text = String::new();
    let mut from = 1;
    loop {
        match rest[from..].chars().next() {
            None | Some('\n') => return fault(at, "the string that starts here is not closed"),
            Some('"') => return Ok((Kind::Text(text), from + 1)),
            Some('\\') => {
                let (c, length) = escape(&rest[from..], at)?;
                text.push(c);
                from += length;
            }
            Some(c) => {
                text.push(c);
                from += c.len_utf8();
            }
        }
    }
}

fn character(rest: &str, at: usize) -> Result<(Kind, usize), Fault> {
    let (c, length) = match rest[1..].chars().next() {
        Some('\\') => escape(&rest[1..], at)?,
        Some(c) if c != '\'' && c != '\n' => (c, c.len_utf8()),
        _ => return fault(at, "a character constant holds one character: 'x'"),
    };
    if !rest[1 + length..].starts_with('\'') {
        return fault(at, "a character constant holds one character: 'x'");
    }
    Ok((Kind::Int(i64::from(u32::from(c))), length + 2))
}

/// One escape sequence of a Go string: the character, and the bytes it took.
fn escape(rest: &str, at: usize) -> Result<(char, usize), Fault> {
    let digits = |count: usize, base: u32, skip: usize| {
        let value = rest.get(skip..skip + count).and_then(|d| u32::from_str_radix(d, base).ok());
        value.and_then(char::from_u32).map(|c| (c, skip + count))
    };
    let plain = |c: char| Some((c, 2));
    let found = match rest[1..].chars().next() {
        Some('n') => plain('\n'),
        Some('t') => plain('\t'),
        Some('r') => plain('\r'),
        Some('a') => plain('\u{7}'),
        Some('b') => plain('\u{8}'),
        Some('f') => plain('\u{c}'),
        Some('v') => plain('\u{b}'),
        Some(c @ ('\\' | '"' | '\'')) => plain(c),
        Some('x') => digits(2, 16, 2),
        Some('u') => digits(4, 16, 2),
        Some('U') => digits(8, 16, 2),
        Some('0'..='7') => digits(3, 8, 1),
        _ => None,
    };
    match found {
        Some(found) => Ok(found),
        None => fault(at, "unknown escape sequence in a string"),
    }
}
