//! `bolt system check`: damage in the store and among the containers, and mending it.

use crate::container::{check as containers, dir::Containers};
use crate::exit;
use crate::settings::Settings;
use crate::store::{Problem, Store};
use crate::ui::print;
use crate::userns;

/// Look for damage in images, containers and volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Mend what can be mended; broken images and layers are removed
    #[arg(short, long)]
    repair: bool,
    /// Do not read whole blobs
    #[arg(short, long)]
    quick: bool,
}

/// Prints each problem; the exit code is 1 when one is left.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    userns::enter(&settings.dirs)?;
    let path = settings.dirs.store();
    let (store, mended) =
        if args.repair { Store::open_mending(&path)? } else { (Store::open(&path)?, false) };
    let lock = store.exclusive_lock()?;
    let mut found = Vec::new();
    if mended {
        let text = "meta.json is damaged; it is written anew".to_owned();
        found.push(Problem { text, repaired: true, harmless: false });
    }
    found.extend(store.check(&lock, args.repair, !args.quick)?);
    let all = Containers::open(&settings.dirs)?;
    found.extend(containers::check(&all, &settings.dirs, &store, args.repair)?);
    print::stdout(&report(&found))?;
    let left = found.iter().any(|problem| !problem.repaired && !problem.harmless);
    Ok(if left { exit::NO } else { 0 })
}

fn report(found: &[Problem]) -> String {
    let line = |problem: &Problem| {
        let word = match (problem.harmless, problem.repaired) {
            (true, _) => "note",
            (false, true) => "repaired",
            (false, false) => "damaged",
        };
        format!("{word}: {}\n", problem.text)
    };
    found.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_front_of_each_problem() {
        let problem = |repaired, harmless| Problem { text: "x".into(), repaired, harmless };
        let found = [problem(false, false), problem(true, false), problem(false, true)];
        assert_eq!(report(&found), "damaged: x\nrepaired: x\nnote: x\n");
    }
}
