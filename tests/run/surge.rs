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

#[test]
fn a_device_by_its_cdi_name_is_refused_and_nothing_is_left() {
    let s = session!();
    let cdi = ["surge", "run", "--rm", "--cdi-device", "nvidia.com/gpu=0"];
    let rest = ["--capsule-isolation", "gpu-exclusive", IMAGE, "true"];
    let out = s.run(&[&cdi[..], &rest].concat());
    assert!(out.code == 125 && out.err.contains("nvidia.com/gpu=0"), "{out:?}");
    assert!(out.err.contains("--device") && out.out.is_empty(), "{out:?}");
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    // The probe of nvbind.
    assert!(s.ok(&["--version"]).starts_with("bolt "));
    let out = s.run(&["surge", "run", "--rm", "--network", "none", IMAGE, "nosuch"]);
    assert_eq!(out.code, 127, "{out:?}");
}
