//! Rows and objects on standard output.

use serde_json::Value;
use std::io::{self, Write};

/// A table of `columns`, or what `format` (`json` or a template) makes of the rows.
pub(super) fn table(
    rows: &[Value],
    columns: &[&str],
    format: Option<&str>,
    noheading: bool,
) -> anyhow::Result<()> {
    if let Some(format) = format {
        return objects(rows, Some(format));
    }
    let cell = |row: &Value, column: &str| match &row[column] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut out = tabwriter::TabWriter::new(io::stdout().lock()).padding(2);
    if !noheading {
        writeln!(out, "{}", columns.join("\t").to_uppercase())?;
    }
    for row in rows {
        let cells: Vec<_> = columns.iter().map(|c| cell(row, c)).collect();
        writeln!(out, "{}", cells.join("\t"))?;
    }
    Ok(out.flush()?)
}

/// One JSON array, or a template a line.
pub(super) fn objects(rows: &[Value], format: Option<&str>) -> anyhow::Result<()> {
    match format {
        None | Some("json") => {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, rows)?;
            Ok(writeln!(out)?)
        }
        Some(_) => anyhow::bail!("templates are not there yet"),
    }
}
