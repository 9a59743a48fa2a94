//! Lists for the user: aligned tables, JSON, or a template of his.

use super::print;
use super::template::{Template, TemplateError, Values};
use serde_json::Value;
use std::io::{self, Write};
use tabwriter::TabWriter;

/// Narrowest column, in characters, without the two spaces that follow every column: the
/// columns of podman's tables are at least 12 wide with them.
const NARROWEST: usize = 10;
const BETWEEN: usize = 2;
/// Most characters of a cell that widen its column: a reference of the longest name, with a tag
/// and a digest, is not longer. What stands behind a longer cell moves to the right in its line
/// alone, so that one stranger's text does not pad every other line.
const WIDEST: usize = 512;
/// Stands for what is left out while columns are measured. It has no width, and stands in no cell.
const BEYOND: char = '\0';

/// Why a list cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The template of `--format` is wrong, or names what does not exist.
    #[error("--format")]
    Template(#[from] TemplateError),
    /// The aligner refused its input.
    #[error("align the table")]
    Table(#[from] io::Error),
}

/// How a list is shown when nothing else was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// The table: `{{.ID}}\t{{.Names}}`, without the word `table`.
    pub columns: &'a str,
    /// Field → heading, where [`heading`] of the field's name is not the right one.
    pub headings: &'a [(&'a str, &'a str)],
    /// No heading line (`--noheading`).
    pub bare: bool,
}

/// The text for `rows` under `--format FORMAT`, each line ended.
///
/// `json`: one array. `table` and `table TEMPLATE`: aligned, with headings, control characters
/// of values escaped. Another template: one line a row, values untouched; one that begins with
/// `{{range .}}` is filled in once, with all rows.
///
/// Errors: a bad template, an unknown field.
pub fn rows(
    format: Option<&str>,
    rows: &[Value],
    defaults: &Defaults<'_>,
) -> Result<String, FormatError> {
    let format = format.map(str::trim_start);
    if is_json(format) {
        return Ok(json(&Value::from(rows.to_vec())));
    }
    let own;
    let table = match format {
        None | Some("" | "table") => Some(defaults.columns),
        Some(text) => {
            // In a shell the tab is often typed as the two characters \t.
            let columns = text.strip_prefix("table ").or_else(|| text.strip_prefix("table\\t"));
            own = columns.map(|columns| spaces_to_tabs(columns.trim_start()));
            own.as_deref()
        }
    };
    match (table, format) {
        (Some(columns), _) => aligned(columns, rows, defaults),
        (None, text) => {
            let template = Template::parse(text.unwrap_or_default())?;
            match template.takes_the_list() {
                true => lines(&template, &[Value::from(rows.to_vec())]),
                false => lines(&template, rows),
            }
        }
    }
}

/// Whether `--format` asks for JSON: by the word, or by the template that means the same,
/// `{{json .}}`, as in podman.
pub fn is_json(format: Option<&str>) -> bool {
    let Some(text) = format.map(str::trim) else { return false };
    let action = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let word = action.and_then(|action| {
        let action = action.trim();
        Some(action.strip_suffix('.').unwrap_or(action).trim_end()).filter(|w| !w.is_empty())
    });
    text == "json" || word == Some("json")
}

/// The spaces between the fields of a table are tabs, one for one, as in podman; those within
/// `{{ }}` are the template's own.
fn spaces_to_tabs(columns: &str) -> String {
    let mut text = String::with_capacity(columns.len());
    let mut rest = columns;
    while let Some(start) = rest.find("{{") {
        let end = rest[start..].find("}}").map_or(rest.len(), |end| start + end);
        text.push_str(&rest[..start].replace(' ', "\t"));
        text.push_str(&rest[start..end]);
        rest = &rest[end..];
    }
    text.push_str(&rest.replace(' ', "\t"));
    text
}

/// The text for one object (`inspect`, `info`, `version`): `json` or no format gives JSON.
///
/// Errors: a bad template, an unknown field.
pub fn object(format: Option<&str>, value: &Value) -> Result<String, FormatError> {
    match format {
        Some(text) if !is_json(format) => {
            lines(&Template::parse(text)?, std::slice::from_ref(value))
        }
        _ => Ok(json(value)),
    }
}

/// Indented JSON with a line end.
pub fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Headings of podman's kind: `CreatedAt` → `CREATED AT`, `ImageID` → `IMAGE ID`.
pub fn heading(field: &str) -> String {
    let letters: Vec<char> = field.chars().collect();
    let mut words = String::new();
    for (i, c) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| letters[i]);
        let after = letters.get(i + 1);
        let starts = c.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase() || b.is_uppercase() && after.is_some_and(|a| a.is_lowercase())
            });
        if starts {
            words.push(' ');
        }
        words.extend(c.to_uppercase());
    }
    words
}

fn lines(template: &Template, rows: &[Value]) -> Result<String, FormatError> {
    let mut text = String::new();
    for row in rows {
        let line = template.render(row)?;
        text.push_str(&line);
        if !line.ends_with('\n') {
            text.push('\n');
        }
    }
    Ok(text)
}

/// The aligned table of cells that are at hand: what [`rows`] makes of a plain list of fields,
/// in a third of the time, for lists of hundreds.
///
/// Errors: the aligner refused its input.
pub fn cells<R: AsRef<[String]>>(
    headings: &[&str],
    rows: impl IntoIterator<Item = R>,
    bare: bool,
) -> Result<String, FormatError> {
    let mut aligner = Aligner::new();
    let mut line = String::new();
    let mut write = |cells: &mut dyn Iterator<Item = &str>| {
        line.clear();
        for (n, cell) in cells.enumerate() {
            line.push_str(if n == 0 { "" } else { "\t" });
            line.push_str(&print::escaped_cell(cell));
        }
        aligner.line(&line)
    };
    if !bare {
        write(&mut headings.iter().copied())?;
    }
    for row in rows {
        write(&mut row.as_ref().iter().map(String::as_str))?;
    }
    aligner.finish()
}

/// Lines of cells with tabs between them, which become columns.
struct Aligner {
    writer: TabWriter<Vec<u8>>,
    /// What is left out of the cells that are too wide, in their order.
    beyond: Vec<String>,
}

impl Aligner {
    fn new() -> Self {
        let writer = TabWriter::new(Vec::new()).minwidth(NARROWEST).padding(BETWEEN);
        Aligner { writer, beyond: Vec::new() }
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        // The last cell of a line has no tab behind it, and widens nothing.
        for cell in line.split_inclusive(['\t', '\n']) {
            let wide = cell.len() > WIDEST && cell.ends_with('\t');
            match wide.then(|| cell.char_indices().nth(WIDEST)).flatten() {
                Some((cut, c)) if c != '\t' => {
                    self.beyond.push(cell[cut..cell.len() - 1].to_owned());
                    write!(self.writer, "{}{BEYOND}\t", &cell[..cut])?;
                }
                _ => self.writer.write_all(cell.as_bytes())?,
            }
        }
        self.writer.write_all(b"\n")
    }

    fn finish(self) -> Result<String, FormatError> {
        let bytes = self.writer.into_inner().map_err(|e| io::Error::other(e.to_string()))?;
        let text = String::from_utf8(bytes);
        let text = text.unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        if self.beyond.is_empty() {
            return Ok(text);
        }
        let mut beyond = self.beyond.iter();
        let mut whole = String::with_capacity(text.len());
        for part in text.split_inclusive(BEYOND) {
            match part.strip_suffix(BEYOND) {
                Some(part) => whole.extend([part, beyond.next().map_or("", String::as_str)]),
                None => whole.push_str(part),
            }
        }
        Ok(whole)
    }
}

fn aligned(columns: &str, rows: &[Value], defaults: &Defaults<'_>) -> Result<String, FormatError> {
    let template = Template::parse(columns)?;
    let mut aligner = Aligner::new();
    if !defaults.bare {
        let named = |field: &str| {
            let known = defaults.headings.iter().find(|(name, _)| *name == field);
            known.map_or_else(|| heading(field), |(_, heading)| (*heading).to_owned())
        };
        aligner.line(template.headings(named).trim_end_matches('\n'))?;
    }
    for row in rows {
        let line = template.render_values(row, Values::Cells)?;
        aligner.line(line.trim_end_matches('\n'))?;
    }
    aligner.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DEFAULTS: Defaults<'static> = Defaults {
        columns: "{{.ID}}\\t{{.Names}}\\t{{.ImageID}}",
        headings: &[("ID", "CONTAINER ID")],
        bare: false,
    };

    fn data() -> Vec<Value> {
        vec![
            json!({"Id": "aaaa", "Names": "one", "ImageID": "x"}),
            json!({"Id": "bbbb", "Names": "a-very-long-name", "ImageID": "y\n\u{1b}[1m"}),
        ]
    }

    #[test]
    fn tables_are_aligned_like_podmans() {
        let text = rows(None, &data(), &DEFAULTS).unwrap();
        let wanted = "CONTAINER ID  NAMES             IMAGE ID\n\
                      aaaa          one               x\n\
                      bbbb          a-very-long-name  y\\n\\x1b[1m\n";
        assert_eq!(text, wanted);
        let short = rows(Some("table {{.Names}}\\t{{.ID}}"), &data()[..1], &DEFAULTS).unwrap();
        assert_eq!(short, "NAMES       CONTAINER ID\none         aaaa\n");
        // podman 4.3.1: a space in the text is a tab.
        let spaced = rows(Some("table {{ .Names }} {{.ID}}"), &data()[..1], &DEFAULTS).unwrap();
        assert_eq!(spaced, short);
        let wide = rows(Some("table {{.ID}}  {{.Names}} x"), &data()[..1], &DEFAULTS).unwrap();
        assert_eq!(wide.lines().last(), Some("aaaa                      one         x"));
        let bare = Defaults { bare: true, ..DEFAULTS };
        assert!(rows(Some("table"), &data(), &bare).unwrap().starts_with("aaaa        one"));
        let empty = rows(None, &[], &DEFAULTS).unwrap();
        assert_eq!(empty, "CONTAINER ID  NAMES       IMAGE ID\n");
    }

    #[test]
    fn one_wide_cell_does_not_pad_the_others() {
        let long = "é".repeat(1 << 20);
        let mut list = vec![json!({"Id": "a", "Names": long, "ImageID": "x"})];
        list.extend((0..2000).map(|n| json!({"Id": n.to_string(), "Names": "b", "ImageID": "y"})));
        let text = rows(None, &list, &DEFAULTS).unwrap();
        assert!(text.len() < 5 << 20, "{}", text.len());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], format!("a             {long}  x"));
        assert_eq!(lines[2], format!("0             b{}y", " ".repeat(WIDEST + 1)));
        let plain = cells(&["A", "B"], [[long.clone(), "x".to_owned()]], false).unwrap();
        assert_eq!(plain.lines().last(), Some(format!("{long}  x").as_str()));
        // What just fits is aligned as before.
        let fits = "w".repeat(WIDEST);
        let text = cells(&["A", "B"], [[fits.clone(), "x".to_owned()]], false).unwrap();
        assert_eq!(text.lines().last(), Some(format!("{fits}  x").as_str()));
    }

    #[test]
    fn other_formats() {
        assert_eq!(rows(Some("{{.ID}}"), &data(), &DEFAULTS).unwrap(), "aaaa\nbbbb\n");
        assert_eq!(rows(Some("{{.ID}}\\n"), &data(), &DEFAULTS).unwrap(), "aaaa\nbbbb\n");
        for all in ["{{range .}}{{.ID}},{{end}}", "{{range $i, $r := . -}} {{$r.ID}},{{end}}"] {
            assert_eq!(rows(Some(all), &data(), &DEFAULTS).unwrap(), "aaaa,bbbb,\n");
        }
        let text = rows(Some("json"), &data(), &DEFAULTS).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Value>>(&text).unwrap(), data());
        assert_eq!(rows(Some("json"), &[], &DEFAULTS).unwrap(), "[]\n");
        for alias in ["{{json .}}", " {{ json  . }} ", "{{json}}", "{{json.}}"] {
            assert_eq!(rows(Some(alias), &data(), &DEFAULTS).unwrap(), text, "{alias}");
            let one = object(Some(alias), &data()[0]).unwrap();
            assert_eq!(one, object(None, &data()[0]).unwrap(), "{alias}");
        }
        let line = "{\"Id\":\"aaaa\",\"ImageID\":\"x\",\"Names\":\"one\"};\n";
        assert_eq!(rows(Some("{{json .}};"), &data()[..1], &DEFAULTS).unwrap(), line);
        assert_eq!(object(Some("{{.}}"), &json!("json")).unwrap(), "json\n");
        assert_eq!(object(Some("{{.Names}}"), &data()[0]).unwrap(), "one\n");
        let error = rows(Some("{{.Nope}}"), &data(), &DEFAULTS).unwrap_err();
        assert_eq!(
            format!("{:#}", anyhow::Error::from(error)),
            "--format: template: 1:3: can't evaluate field Nope; known: Id ImageID Names"
        );
    }

    #[test]
    fn headings_from_field_names() {
        for (field, wanted) in [
            ("CreatedAt", "CREATED AT"),
            ("ImageID", "IMAGE ID"),
            ("IDMap", "ID MAP"),
            ("ID", "ID"),
        ] {
            assert_eq!(heading(field), wanted);
        }
    }
}
