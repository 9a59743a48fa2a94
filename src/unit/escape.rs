//! Words of others in a unit file: nothing in them is a specifier, a variable, or a second word.

use std::fmt::Write as _;

/// A word that cannot stand in a unit file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadWord {
    /// It was no UTF-8 when it was recorded.
    #[error("{0:?} is not valid UTF-8: systemd reads no such unit file")]
    NotUtf8(String),
    /// Not a unit name (systemd.unit(5)).
    #[error(
        "{0:?} cannot be part of a unit's name: letters, digits, and ':', '_', '.', '-', '@' and '\\' can"
    )]
    Name(String),
    /// A path that no line of a unit file can hold.
    #[error(
        "{0:?} cannot be the working directory of a unit: a line break, a backslash or blank at its end, or no UTF-8"
    )]
    Path(String),
    /// A line that systemd does not read ([`LONGEST_LINE`]).
    #[error(
        "{key}= of the unit would have {length} bytes, and systemd reads lines of less than 1 MiB; put arguments and variables into files (--env-file, --volume)"
    )]
    Line {
        /// What the line sets.
        key: String,
        /// Its bytes, with those of the lines that continue it.
        length: usize,
    },
    /// A name of more than 255 bytes.
    #[error("{0:?} is too long for a unit's name: 255 bytes are the most")]
    Long(String),
}

/// Bytes of a line, with those that continue it, that systemd refuses (its `LONG_LINE_MAX`).
pub const LONGEST_LINE: usize = 1 << 20;

/// One argument of an `Exec…=` line.
pub fn argument(word: &str) -> Result<String, BadWord> {
    quoted(word, true)
}

/// The program of an `Exec…=` line: systemd looks for a file of that very name, and knows no
/// variable in it.
pub fn program(path: &str) -> Result<String, BadWord> {
    quoted(path, false)
}

/// One value of any other setting; `$` means nothing there.
pub fn value(word: &str) -> Result<String, BadWord> {
    quoted(word, false)
}

/// Whether systemd takes it for the name of a variable: others it ignores (`Environment=`).
pub fn is_variable(name: &str) -> bool {
    let is_digit_first = name.starts_with(|c: char| c.is_ascii_digit());
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !is_digit_first && name.chars().all(is_part)
}

/// A path that takes the rest of its line as it is: `WorkingDirectory=`.
pub fn path(word: &str) -> Result<String, BadWord> {
    let edge = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let odd = edge(word.chars().next()) || edge(word.chars().next_back()) || word.ends_with('\\');
    if odd || word.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return Err(BadWord::Path(word.to_owned()));
    }
    Ok(word.replace('%', "%%"))
}

fn quoted(word: &str, variables: bool) -> Result<String, BadWord> {
    if word.contains(char::REPLACEMENT_CHARACTER) || word.contains('\0') {
        return Err(BadWord::NotUtf8(word.to_owned()));
    }
    let plain = |c: char| {
        !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '\\' | ';' | '#')
    };
    let mut text = String::with_capacity(word.len() + 2);
    for c in word.chars() {
        match c {
            '%' => text.push_str("%%"),
            '$' if variables => text.push_str("$$"),
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    let whole = !word.is_empty() && word.chars().all(plain);
    Ok(if whole { text } else { format!("\"{text}\"") })
}

/// The name of a unit, without its type.
pub fn unit_name(name: &str) -> Result<&str, BadWord> {
    let good = |c: char| c.is_ascii_alphanumeric() || ":_.-@\\".contains(c);
    if name.is_empty() || !name.chars().all(good) {
        return Err(BadWord::Name(name.to_owned()));
    }
    // `.service` comes besides, and a name of a person's own for an instance.
    if name.len() > 255 - ".service".len() {
        return Err(BadWord::Long(name.to_owned()));
    }
    Ok(name)
}

/// Kinds of units (systemd.unit(5)).
const KINDS: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// A unit that another depends on, as systemctl(1) takes its name: one without a kind is a
/// service. systemd ignores a dependency that has none.
pub fn dependency(name: &str) -> Result<String, BadWord> {
    unit_name(name)?;
    let kind = name.rsplit_once('.').map(|(_, kind)| kind);
    match kind.is_some_and(|kind| KINDS.contains(&kind)) {
        true => Ok(name.to_owned()),
        false => Ok(format!("{name}.service")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_means_anything() {
        for (word, want) in [
            ("plain-1.0/a=b:c", "plain-1.0/a=b:c"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("100%", "100%%"),
            ("$HOME ${X}", "\"$$HOME $${X}\""),
            ("say \"no\"", "\"say \\\"no\\\"\""),
            ("it's", "\"it's\""),
            ("back\\slash", "\"back\\\\slash\""),
            ("line\nbreak\t\r", "\"line\\nbreak\\t\\r\""),
            ("\u{1b}[1m", "\"\\u001b[1m\""),
            (";", "\";\""),
            ("#no", "\"#no\""),
            ("grün", "grün"),
        ] {
            assert_eq!(argument(word).unwrap(), want, "{word:?}");
        }
        assert_eq!(value("A=$x %i").unwrap(), "\"A=$x %%i\"");
        assert_eq!(program("/opt/a$b/50%/my bolt").unwrap(), "\"/opt/a$b/50%%/my bolt\"");
        assert!(matches!(argument("\u{fffd}"), Err(BadWord::NotUtf8(_))));
    }

    #[test]
    fn a_path_is_one_line() {
        assert_eq!(path("/srv/my games/50%").unwrap(), "/srv/my games/50%%");
        for bad in ["", "/a\nExecStartPre=/tmp/x", "/a\\", "/a ", "\t/a", "/\u{fffd}"] {
            assert!(matches!(path(bad), Err(BadWord::Path(_))), "{bad:?}");
        }
    }

    #[test]
    fn names_are_those_of_units() {
        assert_eq!(unit_name("container-web_1.2@"), Ok("container-web_1.2@"));
        for bad in ["", "a b", "a/b", "ä", "a\nb", "%i"] {
            assert!(matches!(unit_name(bad), Err(BadWord::Name(_))), "{bad:?}");
        }
        assert!(matches!(unit_name(&"x".repeat(248)), Err(BadWord::Long(_))));
    }

    #[test]
    fn a_dependency_has_a_kind() {
        for (name, want) in [
            ("web", "web.service"),
            ("web.service", "web.service"),
            ("network-online.target", "network-online.target"),
            ("web@1", "web@1.service"),
            ("example.org", "example.org.service"),
        ] {
            assert_eq!(dependency(name).as_deref(), Ok(want), "{name}");
        }
        assert!(matches!(dependency("a b"), Err(BadWord::Name(_))));
    }
}
