//! `bolt surge run`: what nvbind starts, to the end.

use crate::harness::user::IMAGE;

/// nvbind's whole line: devices, libraries, a filter, variables, and the flags that have no
/// effect, of which each is told.
#[test]
fn nvbinds_line_runs_the_payload() {
    let s = session!();
    let library = s.file("libcuda.so.1", "of the host");
    let profile = s.file(
        "seccomp.json",
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}"#,
    );
    let mount = format!("{library}:/usr/lib/libcuda.so.1:ro");
    let script = "cat /usr/lib/libcuda.so.1; head -c 1 /dev/full | wc -c; \
        echo $NVIDIA_VISIBLE_DEVICES $A; mkdir /x 2>&1; touch /usr/lib/libcuda.so.1 || exit 7";
    let line = [
        "surge",
        "run",
        "--rm",
        "--network",
        "none",
        "--device",
        "/dev/full:/dev/full",
        "--volume",
        &mount,
        "--seccomp",
        &profile,
        "--apparmor",
        "nvbind-default",
        "--env",
        "A=b c",
        "--env",
        "NVIDIA_VISIBLE_DEVICES=all",
        "--gpu",
        "all",
        "--runtime-optimization",
        "gpu-passthrough",
        IMAGE,
        "sh",
        "-c",
        script,
    ];
    let out = s.run(&line);
    assert_eq!(out.code, 7, "{out:?}");
    let lines: Vec<_> = out.out.lines().collect();
    let [first, second, third] = lines[..] else { panic!("{out:?}") };
    assert_eq!((first, second), ("of the host1", "all b c"), "{out:?}");
    assert!(third.contains("not supported"), "{out:?}");
    for flag in ["--apparmor nvbind-default", "--gpu all", "--runtime-optimization gpu-passthrough"]
    {
        assert_eq!(out.err.matches(&format!("denied: {flag}: ")).count(), 1, "{flag}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// nvbind's other line; a container without the device is better than none.
#[test]
fn a_device_by_its_cdi_name_is_told_as_denied() {
    let s = session!();
    let odd = [
        "--cdi-device",
        "nvidia.com/gpu=0",
        "--cdi-device",
        "nvidia.com/gpu=1",
        "--capsule-isolation",
        "gpu-exclusive",
        "--runtime-optimization",
        "cdi-passthrough",
    ];
    let line = [&["surge", "run", "--rm", "--network", "none"], &odd[..], &[IMAGE, "echo", "ran"]];
    let out = s.run(&line.concat());
    assert_eq!((out.code, &*out.out), (0, "ran\n"), "{out:?}");
    for flag in odd.chunks(2) {
        let note = format!("denied: {}: ", flag.join(" "));
        assert_eq!(out.err.matches(&note).count(), 1, "{flag:?}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    // The probe of nvbind.
    assert!(s.ok(&["--version"]).starts_with("bolt "));
    let out = s.run(&["surge", "run", "--rm", "--network", "none", IMAGE, "nosuch"]);
    assert_eq!(out.code, 127, "{out:?}");
}
