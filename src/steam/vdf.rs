//! VDF, the text form of Valve's KeyValues: manifests, libraries, settings of Steam
//! (<https://developer.valvesoftware.com/wiki/KeyValues>).
//!
//! Files come from game directories and downloads, so everything has a bound: bytes, nesting,
//! pairs. `#include` and `#base`, which may lead in circles, are refused: none of Steam's own files
//! has them.

use std::fmt;

/// Most bytes of a file. The largest of Steam's text files have a few hundred kilobytes.
const LONGEST: usize = 4 << 20;
/// Most tables in each other. Real files have at most seven.
const DEEPEST: usize = 32;
/// Most keys of a file.
const MOST: usize = 200_000;

/// Text that is no VDF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VdfError {
    /// Too many bytes.
    #[error("it has {0} bytes; no file of Steam's has more than {LONGEST}")]
    Long(usize),
    /// Bytes that are no text.
    #[error("it is no text in UTF-8")]
    NotText,
    /// A place and what is wrong there.
    #[error("line {line}: {what}")]
    At {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// Keys in order; a key may stand there more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table(pub Vec<(String, Value)>);

/// What stands behind a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A table of its own.
    Table(Table),
}

impl Table {
    /// Reads a whole file.
    pub fn parse(bytes: &[u8]) -> Result<Table, VdfError> {
        if bytes.len() > LONGEST {
            return Err(VdfError::Long(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| VdfError::NotText)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Parser { rest: text, line: 1, keys: 0 }.table(0)
    }

    /// The first table of a key. Steam compares keys without regard to case.
    pub fn table(&self, key: &str) -> Option<&Table> {
        self.values(key).find_map(|value| match value {
            Value::Table(table) => Some(table),
            Value::Text(_) => None,
        })
    }

    /// The first string of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values(key).find_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Table(_) => None,
        })
    }

    fn values(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        for (key, value) in &self.0 {
            write!(f, "{:\t<depth$}{}", "", Quoted(key))?;
            match value {
                Value::Text(text) => writeln!(f, "\t\t{}", Quoted(text))?,
                Value::Table(table) => {
                    writeln!(f, "\n{:\t<depth$}{{", "")?;
                    table.write(f, depth + 1)?;
                    writeln!(f, "{:\t<depth$}}}", "")?;
                }
            }
        }
        Ok(())
    }
}

/// As Steam writes it: tabs, everything in quotes.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

enum Token {
    Text {
        text: String,
        quoted: bool,
    },
    Open,
    Close,
    /// `[$WIN32]` behind a value.
    Condition(String),
    End,
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
    keys: usize,
}

impl Parser<'_> {
    fn table(&mut self, depth: usize) -> Result<Table, VdfError> {
        let mut table = Table::default();
        if depth > DEEPEST {
            return Err(self.at("tables are nested too deeply"));
        }
        loop {
            let key = match self.token()? {
                Token::Text { text, quoted } => {
                    let directive = text.to_ascii_lowercase();
                    if !quoted && directive.starts_with('#')
                        || ["#include", "#base"].contains(&directive.as_str())
                    {
                        return Err(self.at("it takes in another file, which Bolt does not follow"));
                    }
                    text
                }
                Token::Close if depth > 0 => return Ok(table),
                Token::End if depth == 0 => return Ok(table),
                Token::End => return Err(self.at("the file ends within a table")),
                Token::Close => return Err(self.at("a } without its {")),
                Token::Open => return Err(self.at("a { without a key")),
                Token::Condition(_) => return Err(self.at("a condition without a value")),
            };
            self.keys += 1;
            if self.keys > MOST {
                return Err(self.at("there are too many keys"));
            }
            let (value, holds) = self.value(depth)?;
            if holds {
                table.0.push((key, value));
            }
        }
    }

    /// The value behind a key, and whether it is one of this system's.
    fn value(&mut self, depth: usize) -> Result<(Value, bool), VdfError> {
        let mut holds = true;
        loop {
            match self.token()? {
                Token::Text { text, .. } => {
                    let (before, line) = (self.rest, self.line);
                    match self.token() {
                        Ok(Token::Condition(condition)) => {
                            holds = holds && self.holds(&condition)?;
                        }
                        // Whoever reads on meets it again.
                        _ => (self.rest, self.line) = (before, line),
                    }
                    return Ok((Value::Text(text), holds));
                }
                Token::Condition(condition) => holds = holds && self.holds(&condition)?,
                Token::Open => return Ok((Value::Table(self.table(depth + 1)?), holds)),
                Token::Close => return Err(self.at("a key without a value")),
                Token::End => return Err(self.at("the file ends behind a key")),
            }
        }
    }

    fn holds(&self, condition: &str) -> Result<bool, VdfError> {
        let (not, name) = match condition.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, condition),
        };
        match name.strip_prefix('$') {
            Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                let ours = ["LINUX", "POSIX"].iter().any(|our| our.eq_ignore_ascii_case(name));
                Ok(ours != not)
            }
            _ => Err(self.at("a condition that is not [$NAME] or [!$NAME]")),
        }
    }

    fn token(&mut self) -> Result<Token, VdfError> {
        self.skip_blanks();
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        match first {
            '{' | '}' => {
                self.rest = &self.rest[1..];
                Ok(if first == '{' { Token::Open } else { Token::Close })
            }
            '"' => self.quoted(),
            '[' => {
                let end = self.rest.find([']', '\n']).unwrap_or(self.rest.len());
                let inside = self.rest[1..end].trim().to_owned();
                match self.rest[end..].strip_prefix(']') {
                    Some(rest) => self.rest = rest,
                    None => return Err(self.at("a [ without its ]")),
                }
                Ok(Token::Condition(inside))
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '{' | '}');
                let end = self.rest.find(ends).unwrap_or(self.rest.len());
                let text = self.rest[..end].to_owned();
                self.rest = &self.rest[end..];
                Ok(Token::Text { text, quoted: false })
            }
        }
    }

    fn quoted(&mut self) -> Result<Token, VdfError> {
        let start = self.line;
        let mut text = String::new();
        let mut chars = self.rest[1..].chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c @ ('\\' | '"')) => text.push(c),
                    // Windows paths that nobody escaped.
                    Some(c) => {
                        self.line += usize::from(c == '\n');
                        text.extend(['\\', c]);
                    }
                    None => break,
                },
                Some(c) => {
                    self.line += usize::from(c == '\n');
                    text.push(c);
                }
                None => {
                    self.line = start;
                    return Err(self.at("a quote without an end"));
                }
            }
        }
        self.rest = chars.as_str();
        Ok(Token::Text { text, quoted: true })
    }

    fn skip_blanks(&mut self) {
        loop {
            let trimmed = self.rest.trim_start();
            let skipped = &self.rest[..self.rest.len() - trimmed.len()];
            self.line += skipped.bytes().filter(|byte| *byte == b'\n').count();
            self.rest = trimmed;
            if !self.rest.starts_with("//") {
                return;
            }
            self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
        }
    }

    fn at(&self, what: &'static str) -> VdfError {
        VdfError::At { line: self.line, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steam_writes_is_read_and_written() {
        let text = "\"AppState\"\n{\n\t\"appid\"\t\t\"70\"\n\t\"name\"\t\t\"A \\\"B\\\" \
                    C:\\\\x\"\n\t\"UserConfig\"\n\t{\n\t}\n}\n";
        let table = Table::parse(text.as_bytes()).unwrap();
        let app = table.table("appstate").unwrap();
        assert_eq!(app.text("AppID"), Some("70"));
        assert_eq!(app.text("name"), Some("A \"B\" C:\\x"));
        assert_eq!(app.table("userconfig"), Some(&Table::default()));
        assert_eq!(app.text("userconfig"), None);
        assert_eq!(table.to_string(), text);
    }

    #[test]
    fn people_write_it_otherwise() {
        let text = "\u{feff}// comment\nmanifest { // more\n  version 2 \"a\\b\" [$WIN32] c\n\
                    \"commandline\" \"/x %verb%\" [$LINUX]\nonly [!$LINUX] { x y } }";
        let table = Table::parse(text.as_bytes()).unwrap();
        let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
        let inside = vec![text("version", "2"), text("commandline", "/x %verb%")];
        // `"a\b" [$WIN32]`: a key, a condition, and its value.
        let expected = Table(vec![("manifest".to_owned(), Value::Table(Table(inside)))]);
        assert_eq!(table, expected);
    }

    #[test]
    fn broken_files_are_one_error_with_a_line() {
        let error = |text: &str| Table::parse(text.as_bytes()).unwrap_err().to_string();
        for (text, expected) in [
            ("\"a\"\n{\n\"b\" \"c\"", "line 3: the file ends within a table"),
            ("\"a\"", "line 1: the file ends behind a key"),
            ("\"a\n\n", "line 1: a quote without an end"),
            ("\"a\" \"b\n", "line 1: a quote without an end"),
            ("\n}", "line 2: a } without its {"),
            ("{}", "line 1: a { without a key"),
            ("a { b }", "line 1: a key without a value"),
            ("a [$X b\n", "line 1: a [ without its ]"),
            ("a b [$X||$Y]", "line 1: a condition that is not [$NAME] or [!$NAME]"),
            ("#include \"a.vdf\"", "line 1: it takes in another file, which Bolt does not follow"),
            (
                "a {\n\"#base\" \"a.vdf\"}",
                "line 2: it takes in another file, which Bolt does not follow",
            ),
        ] {
            assert_eq!(error(text), expected, "{text:?}");
        }
        assert_eq!(Table::parse(b"\xff"), Err(VdfError::NotText));
        assert!(error(&"a{".repeat(40)).contains("nested too deeply"));
        assert!(error(&"a b ".repeat(MOST + 1)).contains("too many keys"));
        assert_eq!(Table::parse(&vec![b' '; LONGEST + 1]), Err(VdfError::Long(LONGEST + 1)));
    }
}
