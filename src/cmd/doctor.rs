//! `bolt doctor`: what this host can do for containers, and the command that mends the rest.

use crate::exit;
use crate::hint::checks::{self, Check, Status};
use crate::hint::facts::{Caller, Cgroups, Facts, Overlay};
use crate::rootfs::driver::{self, Trial};
use crate::settings::Settings;
use crate::ui::{format, print};
use anyhow::Context;
use serde_json::json;
use std::path::Path;

/// Check this host and tell how to mend it
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print as "json", or by a Go template for each check
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// Prints the checks. The exit code is 0 when none is a failure, else 1.
pub fn run(args: &DoctorArgs, settings: &Settings) -> anyhow::Result<u8> {
    let caller = Caller {
        uid: settings.dirs.uid,
        runtime_dir: settings.xdg_runtime.clone(),
        program: std::env::current_exe().context("find this program")?,
    };
    let mut facts = Facts::gather(Path::new("/"), caller);
    if matches!(facts.cgroups, Cgroups::V1 | Cgroups::Hybrid) {
        facts.limits = super::info::cgroups(settings).controllers;
    }
    facts.overlay = match driver::try_overlay(&settings.dirs) {
        Trial::Works => Overlay::Works,
        Trial::Refused(why) | Trial::NotMade(why) => Overlay::Refused(why),
    };
    let checks = checks::all(&facts);
    let text = match &args.format {
        None => report(&checks),
        Some(format) => {
            let rows: Vec<_> = checks.iter().map(|c| json!(c)).collect();
            let columns = "{{.name}}\\t{{.status}}\\t{{.seen}}";
            let defaults = format::Defaults { columns, headings: &[], bare: false };
            format::rows(Some(format), &rows, &defaults)?
        }
    };
    print::stdout(&text)?;
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    Ok(if failed { exit::NO } else { 0 })
}

/// A line for each check, with meaning and remedy below those that are not content.
fn report(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let status = match check.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
        };
        text.push_str(&format!("{status:<5} {:<16} {}\n", check.name, check.seen));
        if check.status != Status::Ok {
            text.push_str(&format!("      means: {}\n", check.means));
        }
        if let Some(fix) = &check.fix {
            text.push_str(&format!("      fix:   {fix}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_tells_what_and_how() {
        let bad = Check {
            name: "tun",
            status: Status::Warn,
            seen: "gone".to_owned(),
            means: "no network",
            fix: Some("sudo modprobe tun".to_owned()),
        };
        let good = Check { status: Status::Ok, means: "nothing to do", fix: None, ..bad.clone() };
        assert_eq!(
            report(&[good, bad]),
            "ok    tun              gone\nwarn  tun              gone\n      means: no network\n      \
             fix:   sudo modprobe tun\n"
        );
    }
}
