//! Rows and objects on standard output.

use crate::ui::format::{self, Defaults};
use crate::ui::print;
use serde_json::Value;

/// A table of `columns` (a template), or what `--format` makes of the rows.
pub(super) fn table(
    rows: &[Value],
    columns: &str,
    headings: &[(&str, &str)],
    format: Option<&str>,
    bare: bool,
) -> anyhow::Result<()> {
    print::stdout(&format::rows(format, rows, &Defaults { columns, headings, bare })?)
}

/// One JSON array, or a line of a template for each object.
pub(super) fn objects(rows: &[Value], format: Option<&str>) -> anyhow::Result<()> {
    let defaults = Defaults { columns: "", headings: &[], bare: true };
    print::stdout(&format::rows(Some(format.unwrap_or("json")), rows, &defaults)?)
}
