//! The words of `--gamescope "ARGS"`: quotes and backslashes as a shell has them, nothing else of
//! a shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Splits `text`; `None` when a quote has no end or a backslash nothing behind it.
pub(super) fn split(text: &OsStr) -> Option<Vec<OsString>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = text.as_bytes().iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' => words.extend(word.take().map(OsString::from_vec)),
            b'\\' => word.get_or_insert_default().push(bytes.next()?),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'\'' => break,
                        byte => word.push(byte),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'\\' => match bytes.next()? {
                            byte @ (b'"' | b'\\' | b'$' | b'`') => word.push(byte),
                            byte => word.extend([b'\\', byte]),
                        },
                        byte => word.push(byte),
                    }
                }
            }
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word.map(OsString::from_vec));
    Some(words)
}

/// `word` so that a shell, and Steam, read it as one word.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_a_shell_has_them() {
        for (text, words) in [
            ("", &[][..]),
            ("  -W 1920\t-H\n1080 ", &["-W", "1920", "-H", "1080"]),
            (r#"-a 'b c' "d \" $e \x" f\ g"#, &["-a", "b c", r#"d " $e \x"#, "f g"]),
            (r#"'' "" a'b'"c""#, &["", "", "abc"]),
        ] {
            let expected: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(split(OsStr::new(text)), Some(expected), "{text}");
        }
        for bad in ["'", "a \"b", "\\", "\"\\"] {
            assert_eq!(split(OsStr::new(bad)), None, "{bad}");
        }
        let bytes = OsString::from_vec(vec![b'a', 0xff]);
        assert_eq!(split(&bytes), Some(vec![bytes.clone()]));
    }

    #[test]
    fn what_is_quoted_is_one_word_again() {
        for word in ["", "a", "-W 1920", "it's", "%command%", "\"x\"", "a\\b"] {
            assert_eq!(split(OsStr::new(&quoted(word))), Some(vec![word.into()]), "{word}");
        }
        assert_eq!(quoted("/opt/bolt"), "/opt/bolt");
    }
}
