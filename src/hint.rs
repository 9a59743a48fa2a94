//! What to do about it.
use std::io;
/// Advice.
pub fn of(_: &anyhow::Error) -> Option<String> {
    let _: Option<io::Error> = None;
    None
}
