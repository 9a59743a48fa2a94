//! Where the library finds the program, and what it says of one it cannot use.

use std::fs;
use std::path::Path;

fn put_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    crate::harness::process::write_program(path, text);
}

/// A program that tells its version, and which one it is.
fn stand_in(name: &str) -> String {
    format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec echo bolt 99.0.0\necho bolt: {name} was called >&2\nexit 125\n"
    )
}

#[test]
fn the_program_is_found_in_four_places() {
    let forge = forge!();
    let list = |path: &str, named: Option<&Path>| {
        let mut command = forge.command(&["list"]);
        command.env_remove("BOLT_BIN").env("PATH", path);
        if let Some(named) = named {
            command.env("BOLT_BIN", named);
        }
        crate::harness::process::finish(command.spawn().unwrap(), super::PATIENCE, "list")
    };
    let bin = forge.session.dir().join("bin");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    if Path::new("/usr/libexec/bolt").exists() || Path::new("/usr/bin/bolt").exists() {
        skip!("bolt is installed here");
    }
    let out = list(&path, None);
    assert!(out.code == 1 && out.err.starts_with("ProgramNotFound: "), "{out:?}");
    put_program(&bin.join("bolt"), &stand_in("PATH"));
    assert!(list(&path, None).err.contains("PATH was called"));
    put_program(&forge.program.with_file_name("bolt"), &stand_in("beside"));
    assert!(list(&path, None).err.contains("beside was called"));
    let named = bin.join("named");
    put_program(&named, &stand_in("BOLT_BIN"));
    assert!(list(&path, Some(&named)).err.contains("BOLT_BIN was called"));
    let out = list(&path, Some(&bin.join("none")));
    assert!(out.err.starts_with("ProgramUnusable: "), "{out:?}");
}

/// What `bolt` could not do says nothing of what is there.
#[test]
fn a_program_that_fails_is_told_with_its_reason() {
    let forge = forge!();
    let bin = forge.session.dir().join("failing/bolt");
    let run = |words: &[&str], text: &str| {
        put_program(&bin, text);
        let mut command = forge.command(words);
        command.env("BOLT_BIN", &bin);
        crate::harness::process::finish(command.spawn().unwrap(), super::PATIENCE, "calls")
    };
    let game = forge.game.to_str().unwrap();
    let killed = stand_in("x").replace("exit 125", "kill -9 $$");
    let silent = "bolt ended with 137 and said nothing";
    for (words, kind) in [
        (&["stop", "q1"][..], "CommandFailed: bolt stop ghostforge-q1: "),
        (&["play", "q1", game, "wine x"], "StartFailed: "),
        (&["list"], "CommandFailed: bolt ps "),
    ] {
        for (text, why) in [
            (stand_in("the last one"), "the last one was called"),
            (killed.replace("echo bolt: x was called >&2\n", ""), silent),
        ] {
            let out = run(words, &text);
            let is = out.code == 1 && out.err.contains(kind) && out.err.contains(why);
            assert!(is, "{words:?}: {out:?}");
        }
    }
    // The real one, where it may not look.
    forge.session.detached("ghostforge-q1", &[], "exec sleep 1000");
    let containers = forge.session.data().join("containers");
    let allow = |mode: &str| crate::harness::run("chmod", &[mode, containers.to_str().unwrap()]);
    allow("000");
    let out = forge.run(&["stop", "q1"]);
    allow("700");
    assert!(out.err.starts_with("CommandFailed: bolt stop ghostforge-q1: "), "{out:?}");
    assert!(out.err.contains("Permission denied"), "{out:?}");
    assert_eq!(forge.run(&["stop", "q1"]).code, 0);
}

#[test]
fn an_older_program_is_refused() {
    let forge = forge!();
    let bin = forge.session.dir().join("old/bolt");
    put_program(&bin, "#!/bin/sh\necho bolt 0.0.1\n");
    let mut command = forge.command(&["list"]);
    command.env("BOLT_BIN", &bin);
    let out = crate::harness::process::finish(command.spawn().unwrap(), super::PATIENCE, "list");
    let version = env!("CARGO_PKG_VERSION");
    let want = format!(
        "ProgramTooOld: {} is bolt 0.0.1, and this library needs {version} or newer; update it\n",
        bin.display()
    );
    assert_eq!((out.code, out.err), (1, want));
}

#[test]
fn a_runtime_alone_needs_nothing() {
    let forge = forge!();
    let mut command = forge.session.command(&forge.program);
    command.arg("init").env_clear();
    let out = crate::harness::process::finish(command.spawn().unwrap(), super::PATIENCE, "init");
    assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (0, "initialized\n", ""));
}
