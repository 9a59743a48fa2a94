//! The files of AWS's tools: `[section]`, `name = value`, `#` and `;` comments, indented lines
//! that belong to the value above.

use std::collections::BTreeMap;

/// The settings of one section, names in lower case; `None` when it is not there. Later lines of
/// the same name win, and a section may come several times.
///
/// Errors: the line (from 1) and what is wrong there.
pub(super) fn section(
    text: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, (usize, &'static str)> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let (mut within, mut any) = (false, false);
    for (n, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = trimmed.strip_prefix('[') {
            let header = header.split_once(']').ok_or((n + 1, "a '[' is not closed"))?.0;
            let words: Vec<&str> = header.split_ascii_whitespace().collect();
            within = words.join(" ") == name;
            any = true;
            if within {
                found.get_or_insert_default();
            }
            continue;
        }
        if !any {
            return Err((n + 1, "a setting before the first [section]"));
        }
        // A nested setting, of which Bolt knows none.
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let (key, value) =
            trimmed.split_once('=').ok_or((n + 1, "neither [section] nor name = value"))?;
        if let (true, Some(settings)) = (within, &mut found) {
            let value = value.split_once(" #").map_or(value, |(value, _)| value);
            settings.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read() {
        let text = "# top\n[default]\nregion = eu-west-1 # near\ns3 =\n  max = 3\n\n[ profile  games ]\n\
                    Aws_Access_Key_Id=A=b\n; no\n[default]\noutput = json\n";
        let default = section(text, "default").unwrap().unwrap();
        assert_eq!(default["region"], "eu-west-1");
        assert_eq!((&*default["s3"], &*default["output"]), ("", "json"));
        assert!(!default.contains_key("max"));
        assert_eq!(section(text, "profile games").unwrap().unwrap()["aws_access_key_id"], "A=b");
        assert_eq!(section(text, "other").unwrap(), None);
        assert_eq!(section("", "default").unwrap(), None);
    }

    #[test]
    fn wrong_lines_are_named() {
        assert_eq!(section("a = b\n", "x").unwrap_err().0, 1);
        assert_eq!(section("[x]\n\nword\n", "x").unwrap_err().0, 3);
        assert_eq!(section("[x\n", "x").unwrap_err(), (1, "a '[' is not closed"));
    }
}
