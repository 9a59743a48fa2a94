//! Man pages and completions are made from the command line's own definition, and checked in.
//!
//! `BOLT_BLESS=1 cargo test generated` writes them anew.

use bolt::cmd::completion::{ShellName, script};
use clap::Command;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

type Files = BTreeMap<PathBuf, Vec<u8>>;

#[test]
fn man_pages_are_those_of_the_program() {
    let mut pages = Files::new();
    let mut cli = bolt::cmd::cli();
    cli.build();
    page(&cli, "bolt", &mut pages);
    compare("man", &pages);
}

#[test]
fn completions_are_those_of_the_program() {
    let shells =
        [("bolt.bash", ShellName::Bash), ("_bolt", ShellName::Zsh), ("bolt.fish", ShellName::Fish)];
    let files =
        shells.map(|(name, shell)| (PathBuf::from(name), script(shell, bolt::cmd::cli()))).into();
    compare("completions", &files);
}

/// One page for a verb, then for each verb below it: bolt.1, bolt-run.1, bolt-volume-ls.1.
fn page(command: &Command, name: &str, pages: &mut Files) {
    let mut text = Vec::new();
    let man = clap_mangen::Man::new(command.clone()).title(name);
    man.render(&mut text).expect("a page is written to memory");
    pages.insert(PathBuf::from(format!("{name}.1")), text);
    let shown = |verb: &&Command| !verb.is_hide_set() && verb.get_name() != "help";
    for verb in command.get_subcommands().filter(shown) {
        page(verb, &format!("{name}-{}", verb.get_name()), pages);
    }
}

/// Compares a checked-in folder with what it should hold, or writes it under `BOLT_BLESS`.
fn compare(folder: &str, wanted: &Files) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if std::env::var_os("BOLT_BLESS").is_some() {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("make the folder");
        for (name, text) in wanted {
            fs::write(dir.join(name), text).expect("write a file");
        }
    }
    let mut found = Files::new();
    for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
        found.insert(entry.file_name().into(), fs::read(entry.path()).unwrap_or_default());
    }
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(wanted), "{folder}/: write it anew with BOLT_BLESS=1");
    for (name, text) in wanted {
        let same = found.get(name) == Some(text);
        assert!(same, "{folder}/{} is not current: BOLT_BLESS=1", name.display());
    }
}
