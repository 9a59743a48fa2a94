//! The host's passwd(5) and group(5), read as files: a static program has no NSS.

use super::small;
use std::path::Path;

/// The fields of the line in `file` (/etc/passwd or /etc/group) with the number `id`.
pub fn line(file: impl AsRef<Path>, id: u32) -> Option<Vec<String>> {
    // One line of another encoding must not hide the others.
    let bytes = small::read(file).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let has_id = |line: &&str| line.split(':').nth(2).and_then(number) == Some(id);
    let line = text.lines().find(has_id)?;
    Some(line.split(':').map(str::to_owned).collect())
}

/// An id as these files have it: digits and nothing else.
pub fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_line_is_found_by_its_number_and_no_other_line_is_in_its_way() {
        let scratch = Scratch::new("accounts");
        let file = scratch.path().join("passwd");
        std::fs::write(
            &file,
            b"caf\xe9:x:7:7::/:/bin/sh\nshort\nplus:x:+8:8::/h:/s\neight:x:8:80:E:/e:/s\n",
        )
        .unwrap();
        let found = line(&file, 8).unwrap();
        assert_eq!(
            (found[0].as_str(), found[3].as_str(), found[5].as_str()),
            ("eight", "80", "/e")
        );
        assert!(line(&file, 7).is_some());
        assert_eq!(line(&file, 9), None);
        assert_eq!(line(scratch.path().join("nothing"), 8), None);
    }
}
