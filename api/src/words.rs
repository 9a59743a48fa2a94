//! A command line as words, without a shell: quotes and backslashes as POSIX has them (Shell
//! Command Language, 2.2), and nothing expanded.

use crate::error::RuntimeError;

/// Splits `text`. Error: a quote that is never closed, a backslash at the end.
pub(crate) fn split(text: &str) -> Result<Vec<String>, RuntimeError> {
    let mut words = Vec::new();
    // `None`: between two words. `''` is a word, too.
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    let bad = |reason: &str| RuntimeError::BadArgument {
        argument: text.to_owned(),
        reason: reason.to_owned(),
    };
    while let Some(c) = rest.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or_else(|| bad("a quote ' is never closed"))? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                let open = || bad("a quote \" is never closed");
                loop {
                    match rest.next().ok_or_else(open)? {
                        '"' => break,
                        '\\' => match rest.next().ok_or_else(open)? {
                            c @ ('$' | '`' | '"' | '\\') => word.push(c),
                            '\n' => {}
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => match rest.next().ok_or_else(|| bad("it ends with a backslash"))? {
                '\n' => {}
                c => word.get_or_insert_default().push(c),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  a \t b\n", &["a", "b"]),
            ("wine '/g/My Game/x.exe'", &["wine", "/g/My Game/x.exe"]),
            (r"wine '/g/It'\''s/x.exe'", &["wine", "/g/It's/x.exe"]),
            (r#"a"b c"d ''"#, &["ab cd", ""]),
            (r#""\$HOME \a \" \\""#, &["$HOME \\a \" \\"]),
            (r"a\ b\'c", &["a b'c"]),
            ("$HOME `id` *;|&>x", &["$HOME", "`id`", "*;|&>x"]),
            ("-é 'ü '", &["-é", "ü "]),
        ];
        for (text, want) in cases {
            assert_eq!(split(text).unwrap(), *want, "{text:?}");
        }
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for text in ["'a", "a \"b", "\"a\\", "a\\"] {
            assert!(split(text).is_err(), "{text:?}");
        }
    }
}
