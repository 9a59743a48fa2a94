//! What a payload finds that asked for nothing: the rows about defaults.

use crate::harness::process::finish;
use crate::harness::user::{IMAGE, has};
use std::time::Duration;

/// Row "Log drivers": `k8s-file`, by its other name too, and `none`.
#[test]
fn log_lines_are_those_of_k8s_file() {
    let s = session!();
    for driver in ["k8s-file", "json-file"] {
        let flags = ["--log-driver", driver, "--replace"];
        s.detached("x", &flags, "echo out; echo err >&2; printf part");
        s.ok(&["wait", "x"]);
        assert_eq!(s.inspect("x", ".HostConfig.LogConfig.Type"), driver);
        let path = s.inspect("x", ".HostConfig.LogConfig.Path");
        crate::harness::user::until("written", || {
            std::fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == 3)
        });
        let text = std::fs::read_to_string(&path).unwrap();
        for (stream, kind, what) in
            [("stdout", "F", "out"), ("stderr", "F", "err"), ("stdout", "P", "part")]
        {
            let tail = format!(" {stream} {kind} {what}");
            let line = text.lines().find(|line| line.ends_with(&tail));
            let time = line.and_then(|line| line.strip_suffix(&tail));
            let time = time.unwrap_or_else(|| panic!("{tail:?} is not in {text:?}"));
            // RFC 3339 with nanoseconds.
            let shape: String =
                time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert!(shape.starts_with("0000-00-00T00:00:00.000000000"), "{time}");
        }
    }
    s.detached("y", &["--log-driver", "none"], "echo out");
    s.ok(&["wait", "y"]);
    let out = s.run(&["logs", "y"]);
    assert!(out.out.is_empty(), "{out:?}");
    let out = s.once(&["--log-driver", "bogus"], &["true"]);
    assert!(out.code == 125 && out.err.contains("bogus"), "{out:?}");
}

/// Row "Default ulimits": 1048576, or as much as the caller may have.
#[test]
fn ulimits_are_clamped_to_the_callers() {
    let s = session!();
    for (caller, want) in [("ulimit -n 512; ulimit -u 5000", "512 5000"), ("ulimit -n 256", "256")]
    {
        let script = format!(
            "{caller}; exec \"$BOLT\" run --rm --network none {IMAGE} \
             sh -c 'echo $(ulimit -Hn) $(ulimit -Hu)'"
        );
        let mut command = s.command("bash");
        command.args(["-c", &script]).env("BOLT", s.program());
        let out = finish(command.spawn().unwrap(), Duration::from_secs(20), &script);
        assert!(out.code == 0 && out.out.starts_with(want), "{script}: {out:?}");
    }
    let limits = s.script(&[], "ulimit -Hn; ulimit -Hu");
    let most = |line: &str| line.parse::<u64>().unwrap_or(u64::MAX);
    assert!(limits.lines().all(|line| most(line) <= 1_048_576), "{limits}");
}

/// Row "Masked / read-only paths".
#[test]
fn paths_are_masked_and_read_only() {
    let s = session!();
    let masked = "/proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug \
        /proc/scsi /proc/timer_list /proc/timer_stats /proc/interrupts \
        /sys/devices/virtual/powercap /sys/firmware /sys/fs/selinux";
    let script = format!(
        "for p in {masked} /sys/devices/system/cpu/cpu*/thermal_throttle; do \
         if [ -d $p ]; then [ -z \"$(ls -A $p)\" ] || echo $p is open; \
         elif [ -e $p ]; then [ -z \"$(head -c 1 $p 2>/dev/null)\" ] || echo $p is open; fi; done"
    );
    assert_eq!(s.script(&[], &script), "");
    assert_eq!(s.script(&["--cap-add", "all"], &script), "");
    let mounts = s.script(&[], "cat /proc/self/mountinfo");
    for path in ["asound", "bus", "fs", "irq", "sys", "sysrq-trigger"] {
        if !std::path::Path::new("/proc").join(path).exists() {
            continue;
        }
        let point = format!(" /proc/{path} ");
        let options = mounts.lines().find_map(|line| line.split_once(&point)).map(|(_, o)| o);
        assert!(options.is_some_and(|o| o.starts_with("ro")), "{path}: {mounts}");
    }
}

/// Row "Default caps".
#[test]
fn capabilities_are_eleven() {
    let s = session!();
    let id = s.detached("x", &[], "exec sleep 1000");
    let names = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP \
        SETUID SYS_CHROOT";
    let names: Vec<_> = names.split_whitespace().map(|name| format!("CAP_{name}")).collect();
    let told = s.ok(&["inspect", "--format", "{{json .EffectiveCaps}}", "x"]);
    let mut told: Vec<String> = serde_json::from_str(&told).unwrap();
    told.sort();
    assert_eq!(told, names);
    // The same as bits (capabilities(7)), as the kernel has them.
    let bits = [0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31].iter().fold(0u64, |all, bit| all | 1 << bit);
    let status = std::fs::read_to_string(format!("/proc/{}/status", s.pids(&id).1)).unwrap();
    for field in ["CapEff", "CapPrm", "CapBnd"] {
        assert!(status.contains(&format!("{field}:\t{bits:016x}")), "{field}: {status}");
    }
}

/// Row "Default seccomp": what is allowed, what needs a capability, what is absent. The filter
/// itself against the profile, call by call: `spec/seccomp/oracle.rs`.
#[test]
fn the_filter_lets_sandboxes_nest() {
    let s = session!();
    // clone3, unshare, mount and pivot_root are allowed: a user namespace within can mount.
    let out =
        s.once(&[], &["unshare", "-Urm", "sh", "-c", "mount -t tmpfs t /tmp && echo mounted"]);
    assert_eq!((out.code, out.out.as_str()), (0, "mounted\n"), "{out:?}");
    // chroot is a call of CAP_SYS_CHROOT.
    assert_eq!(s.once(&[], &["chroot", "/", "true"]).code, 0);
    assert_ne!(s.once(&["--cap-drop", "SYS_CHROOT"], &["chroot", "/", "true"]).code, 0);
    let status = s.script(&[], "grep Seccomp: /proc/self/status");
    assert_eq!(status.split_whitespace().last(), Some("2"));
}

/// Row "Default network rootless": pasta, with the names and addresses of podman.
#[test]
fn the_network_is_pastas() {
    let s = session!();
    if !has("pasta") {
        skip!("no pasta");
    }
    let text = s.ok(&["run", "--rm", IMAGE, "sh", "-c", "cat /etc/hosts; ip -o addr"]);
    assert!(text.contains("169.254.1.2\thost.containers.internal"), "{text}");
    assert!(text.lines().any(|line| line.contains("inet ") && !line.contains(" lo ")), "{text}");
    let dns = s.ok(&["run", "--rm", IMAGE, "cat", "/etc/resolv.conf"]);
    assert!(dns.lines().next().is_some_and(|l| l == "nameserver 169.254.1.1"), "{dns}");
}

/// Row "pids limit": 2048 where a control group can be made for it, and 0 and -1 are none.
#[test]
fn pids_are_limited_to_2048_or_as_asked() {
    let s = session!();
    let script = "cat /sys/fs/cgroup/pids.max 2>/dev/null || echo max";
    for flags in [&["--pids-limit", "0"], &["--pids-limit", "-1"]] {
        let out = s.once(flags, &["sh", "-c", script]);
        assert_eq!((out.code, out.out.as_str()), (0, "max\n"), "{flags:?}: {out:?}");
    }
    // Nobody asked for it: where it cannot be had, it is not missed.
    let out = s.once(&[], &["sh", "-c", script]);
    assert!(["2048\n", "max\n"].contains(&out.out.as_str()) && out.err.is_empty(), "{out:?}");
    s.ok(&["create", "--name", "x", "--pids-limit", "77", IMAGE, "true"]);
    assert_eq!(s.inspect("x", ".HostConfig.PidsLimit"), "77");
    assert_eq!(s.run(&["create", "--pids-limit", "many", IMAGE, "true"]).code, 125);
}

/// Row "Env leaks".
#[test]
fn the_environment_is_not_the_callers() {
    let s = session!();
    let proxies = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"];
    let mut command = s.bolt(&["run", "--rm", "--network", "none", IMAGE, "env"]);
    command.env("SECRET", "s").env("DISPLAY", ":0").env("LD_PRELOAD", "");
    for name in proxies {
        command.env(name, name).env(name.to_uppercase(), name.to_uppercase());
    }
    let out = finish(command.spawn().unwrap(), Duration::from_secs(20), "env");
    let mut names: Vec<_> = out.out.lines().filter_map(|l| l.split('=').next()).collect();
    names.sort_unstable();
    // A is the image's.
    let mut want = vec!["A", "HOME", "HOSTNAME", "PATH", "TERM", "container"];
    let upper = proxies.map(str::to_uppercase);
    want.extend(proxies);
    want.extend(upper.iter().map(String::as_str));
    want.sort_unstable();
    assert_eq!(names, want, "{}", out.out);
    for line in ["container=bolt", "HOME=/root", "TERM=xterm"] {
        assert!(out.out.lines().any(|l| l == line), "{line}: {}", out.out);
    }
    let mut command =
        s.bolt(&["run", "--rm", "--network", "none", "--http-proxy=false", IMAGE, "env"]);
    let out =
        finish(command.env("http_proxy", "p").spawn().unwrap(), Duration::from_secs(20), "env");
    assert!(!out.out.contains("proxy"), "{}", out.out);
}
