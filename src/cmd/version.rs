//! `bolt version`: this program and the contract between its two halves.

use crate::container::time;
use crate::image::platform;
use crate::settings::Settings;
use crate::ui::{format, print};
use bolt_shim::launch::VERSION;
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;

/// Show the version
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print as "json", or by a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints the version.
pub fn run(args: Args, _settings: &Settings) -> anyhow::Result<u8> {
    let value = json!({ "Client": client() });
    let text = match args.format.as_deref() {
        None => lines(&value["Client"]),
        format => format::object(format, &value)?,
    };
    print::stdout(&text)?;
    Ok(0)
}

/// What `version` and `info` say of this program. `APIVersion` is the contract with bolt-shim.
pub fn client() -> Value {
    let platform = platform::host();
    let built = built();
    json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "APIVersion": VERSION.to_string(),
        "Built": built,
        "BuiltTime": time::rfc3339(built.saturating_mul(1_000_000_000)),
        "OsArch": format!("{}/{}", platform.os, platform.architecture),
        "Os": platform.os,
    })
}

/// Seconds since 1970: `SOURCE_DATE_EPOCH` of the build, else the time of the program's file.
fn built() -> i64 {
    if let Some(epoch) = option_env!("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok()) {
        return epoch;
    }
    std::fs::metadata("/proc/self/exe").map_or(0, |file| file.mtime())
}

fn lines(client: &Value) -> String {
    let field = |name: &str| client[name].as_str().unwrap_or_default();
    format!(
        "Client:       Bolt\nVersion:      {}\nAPI Version:  {}\nBuilt:        {}\nOS/Arch:      {}\n",
        field("Version"),
        field("APIVersion"),
        field("BuiltTime"),
        field("OsArch")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_told() {
        let client = client();
        assert_eq!(client["APIVersion"], VERSION.to_string());
        assert!(client["Built"].as_i64().is_some_and(|built| built > 1_600_000_000));
        let text = lines(&client);
        assert!(text.contains(&format!("Version:      {}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    }
}
