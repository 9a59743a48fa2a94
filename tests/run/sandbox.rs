//! Programs that make sandboxes of their own, and programs of 32 bits.

use crate::harness::run;
use crate::harness::user::{IMAGE, has};

/// The host's bubblewrap with its libraries, or nothing.
fn host_system() -> Vec<String> {
    ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"]
        .iter()
        .filter(|path| std::path::Path::new(path).exists())
        .flat_map(|path| ["-v".to_owned(), format!("{path}:{path}:ro")])
        .collect()
}

/// pressure-vessel starts every game so.
#[test]
fn bubblewrap_runs_within() {
    let s = session!();
    if !has("bwrap") {
        skip!("no bwrap");
    }
    let host = host_system();
    for extra in [
        &[][..],
        &["-u", "1000:1000"],
        &["--userns", "keep-id"],
        &["--userns", "nomap"],
        &["--security-opt", "no-new-privileges"],
        &["--init"],
    ] {
        let mut args = vec!["run", "--rm", "--network", "none"];
        args.extend(host.iter().map(String::as_str));
        args.extend(extra);
        args.extend([
            IMAGE,
            "/usr/bin/bwrap",
            "--unshare-all",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--ro-bind",
            "/usr",
            "/usr",
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--symlink",
            "usr/lib",
            "/lib",
            "--symlink",
            "usr/bin",
            "/bin",
            "--tmpfs",
            "/tmp",
            "/usr/bin/cat",
            "/proc/self/comm",
        ]);
        let out = s.run(&args);
        assert_eq!((out.code, out.out.as_str()), (0, "cat\n"), "{extra:?}: {out:?}");
        let mut args = vec!["run", "--rm", "--network", "none"];
        args.extend(host.iter().map(String::as_str));
        args.extend(extra);
        args.extend([
            IMAGE,
            "/usr/bin/bwrap",
            "--unshare-all",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--ro-bind",
            "/",
            "/",
            "true",
        ]);
        let out = s.run(&args);
        assert_eq!(out.code, 0, "--ro-bind / / {extra:?}: {out:?}");
    }
}

/// Wine and half of all games are 32-bit programs.
#[test]
fn thirty_two_bit_programs_run() {
    let s = session!();
    if !cfg!(target_arch = "x86_64") || !has("as") || !has("ld") {
        skip!("no assembler for i386");
    }
    let source = s.file(
        "exit.s",
        ".globl _start\n_start: mov $4,%eax\n mov $1,%ebx\n mov $text,%ecx\n mov $3,%edx\n \
         int $0x80\n mov $1,%eax\n mov $37,%ebx\n int $0x80\n.data\ntext: .ascii \"i32\"\n",
    );
    let (object, program) = (format!("{source}.o"), format!("{source}.run"));
    run("as", &["--32", "-o", &object, &source]);
    run("ld", &["-m", "elf_i386", "-o", &program, &object]);
    let mount = format!("{program}:/program");
    let native = std::process::Command::new(&program).output();
    if !native.is_ok_and(|o| o.status.code() == Some(37)) {
        skip!("this kernel runs no i386 programs");
    }
    let out = s.once(&["-v", &mount], &["/program"]);
    assert_eq!((out.code, out.out.as_str()), (37, "i32"), "{out:?}");
}
