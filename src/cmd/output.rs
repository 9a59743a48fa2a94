//! Rows and objects on standard output.

use crate::ui::format::{self, Defaults};
use crate::ui::print;
use crate::ui::template::{self, Nil};
use serde_json::Value;
use std::borrow::Cow;

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

/// What `inspect` shows: one JSON array, or a line of a template for each object.
pub(super) fn objects(rows: &[Value], format: Option<&str>) -> anyhow::Result<()> {
    let defaults = Defaults { columns: "", headings: &[], bare: true };
    let format = Some(format.unwrap_or("json"));
    print::stdout(&format::rows(format, &typed(rows, format), &defaults)?)
}

/// Where objects of `inspect` have a time; what is text in podman's is not among them.
const TIMES: [&str; 7] = [
    "/Created",
    "/CreatedAt",
    "/UpdatedAt",
    "/State/StartedAt",
    "/State/FinishedAt",
    "/State/CheckpointedAt",
    "/State/RestoredAt",
];
/// Where null is a nil of a type that has its own way to show it.
const NILS: [(&str, Nil); 13] = [
    ("/Config/Volumes", Nil::Map),
    ("/Config/OnBuild", Nil::Pointer),
    ("/Config/Healthcheck", Nil::Pointer),
    ("/HostConfig/LogConfig/Config", Nil::Map),
    ("/HostConfig/CgroupConf", Nil::Map),
    ("/HostConfig/IDMappings", Nil::Pointer),
    ("/HostConfig/VolumesFrom", Nil::List),
    ("/HostConfig/Links", Nil::List),
    ("/HostConfig/BlkioWeightDevice", Nil::List),
    ("/HostConfig/BlkioDeviceReadBps", Nil::List),
    ("/HostConfig/BlkioDeviceWriteBps", Nil::List),
    ("/HostConfig/BlkioDeviceReadIOps", Nil::List),
    ("/HostConfig/BlkioDeviceWriteIOps", Nil::List),
];

/// The objects as a template is to see them, with Go's types; for JSON they stay what they are.
pub(super) fn typed<'a>(rows: &'a [Value], format: Option<&str>) -> Cow<'a, [Value]> {
    if format::is_json(format) {
        return Cow::Borrowed(rows);
    }
    let mut rows = rows.to_vec();
    for row in &mut rows {
        for path in TIMES {
            row.pointer_mut(path).map(as_time);
        }
        for (path, nil) in NILS {
            if let Some(value) = row.pointer_mut(path).filter(|value| value.is_null()) {
                *value = template::nil(nil);
            }
        }
        if let Some(Value::Array(steps)) = row.get_mut("History") {
            steps.iter_mut().filter_map(|step| step.get_mut("created")).for_each(as_time);
        }
    }
    Cow::Owned(rows)
}

fn as_time(value: &mut Value) {
    if let Value::String(text) = value {
        *value = template::time(text);
    }
}
