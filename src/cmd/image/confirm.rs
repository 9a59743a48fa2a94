//! The question before something is taken away for good.

use crate::ui::print;
use anyhow::{Context, bail};

/// Asks on standard error and reads one line; `y` and `yes` agree.
///
/// Errors: nobody answers (end of input), because a script that gets no question answered must
/// not take silence for success.
pub fn ask(warning: &str) -> anyhow::Result<bool> {
    print::stderr_bytes(
        format!("WARNING! {warning}\nAre you sure you want to continue? [y/N] ").as_bytes(),
    );
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).context("read the answer")? == 0 {
        bail!("nobody answered, nothing was removed; use --force to go on without a question");
    }
    Ok(agrees(&line))
}

fn agrees(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_a_clear_yes_agrees() {
        for (line, wanted) in [("y\n", true), (" YES \n", true), ("\n", false), ("yep\n", false)] {
            assert_eq!(super::agrees(line), wanted, "{line:?}");
        }
    }
}
