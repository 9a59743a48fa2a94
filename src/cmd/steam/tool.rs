//! `bolt steam tool VERB …`, which Steam calls: the verbs of a compatibility tool, version 2.

use crate::cmd::game::wrap;
use crate::exit;
use crate::ui::print;
use anyhow::anyhow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Runs a verb. Commands are executed in this very process, as they were handed down: games for
/// Linux, and the stack of outer tools (`…/_v2-entry-point … -- game`). There is no prefix, so
/// there is none to wait for or to destroy, and a path is the same on both sides.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut words = words.into_iter();
    let verb = words.next().unwrap_or_default();
    let mut rest: Vec<OsString> = words.collect();
    match verb.to_str().unwrap_or_default() {
        "run" | "waitforexitandrun" | "runinprefix" => {
            if rest.first().is_some_and(|word| word == "--") {
                rest.remove(0);
            }
            wrap::hand_down(rest)
        }
        "destroyprefix" => 0,
        "getcompatpath" | "getnativepath" => match rest.as_slice() {
            // Not a byte more: Steam takes all there is for the path.
            [path] => match print::stdout_bytes(path.as_bytes()) {
                Ok(()) => 0,
                Err(error) => refuse(&error),
            },
            _ => refuse(&anyhow!("{}: one path is wanted", verb.display())),
        },
        _ => refuse(&anyhow!(
            "{:?} is no verb of a compatibility tool; Steam calls run, waitforexitandrun, \
             runinprefix, destroyprefix, getcompatpath or getnativepath",
            verb.display().to_string()
        )),
    }
}

fn refuse(error: &anyhow::Error) -> u8 {
    wrap::log_error(error);
    print::error_chain(error);
    exit::ENGINE
}
