//! The program says which contract it speaks, and the contract survives its encoding.

use bolt_shim::accounts::{Account, Accounts};
use bolt_shim::launch::{
    Cgroup, Events, FileId, Forward, Groups, IdMap, Launch, Log, Monitor, Mount, MountFlags,
    MountKind, Net, Notify, Process, Propagation, Restart, Root, Share, TtySize, Unit, Uplink,
    UplinkKind, VERSION,
};
use bolt_shim::report::Step;
use bolt_shim::secret::{Secret, Variable};
use std::process::Command;

#[test]
fn the_program_names_its_contract() {
    let out = Command::new(env!("CARGO_BIN_EXE_bolt-shim")).arg("--version").output().unwrap();
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(text, format!("bolt-shim {} contract {VERSION}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn by_hand_nothing_runs() {
    let out = Command::new(env!("CARGO_BIN_EXE_bolt-shim")).output().unwrap();
    assert_eq!(out.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&out.stderr).contains("started by bolt"));
}

#[test]
fn a_step_has_the_number_that_older_supervisors_give_it() {
    let numbers =
        [(Step::Read, 0), (Step::Mount, 9), (Step::Exec, 22), (Step::Died, 27), (Step::Port, 28)];
    for (step, number) in numbers {
        assert_eq!(postcard::to_stdvec(&step).unwrap(), [number], "{step:?}");
    }
}

fn launch() -> Launch {
    let flags = MountFlags { read_only: true, nosuid: true, nodev: false, noexec: true };
    Launch {
        version: VERSION,
        id: "ab".repeat(32),
        id_map: Some(IdMap::KeepId { uid: 1000, gid: 100 }),
        share: Share { ipc: true, ..Share::default() },
        net: Net::Uplink {
            uplink: Uplink {
                kind: UplinkKind::Slirp,
                program: "/usr/bin/slirp4netns".into(),
                args: vec!["{netns}".into()],
                ports: vec![Forward {
                    udp: true,
                    address: "::1".parse().unwrap(),
                    host: 8080,
                    inside: 80,
                    count: 2,
                }],
            },
            required: true,
        },
        root: Root::Overlay {
            lower: vec!["/a".into(), "/b".into()],
            upper: Some(("/u".into(), "/w".into())),
            volatile: true,
            read_only: false,
        },
        mounts: vec![
            Mount {
                target: "/m".into(),
                what: MountKind::Bind {
                    source: "/s".into(),
                    stat: FileId { dev: u64::MAX, ino: 1, kind: 0o040_000 },
                    propagation: Propagation::Slave,
                    copy_up: true,
                    adopt: true,
                },
                flags,
            },
            Mount { target: "/proc".into(), what: MountKind::Proc, flags },
            Mount {
                target: "/run/secrets/a".into(),
                what: MountKind::Secret {
                    content: Secret::new(b"canary-1\0\xff".to_vec()),
                    owner: Some((5, 6)),
                    mode: 0o400,
                },
                flags,
            },
        ],
        masked: vec!["/proc/kcore".into()],
        read_only: vec!["/proc/sys".into()],
        covered_proc: true,
        hostname: None,
        sysctl: vec![("net/ipv4/ip_forward".into(), "1".into())],
        process: Process {
            args: vec!["sh".into(), "".into()],
            env: vec!["A=\u{fc}".into()],
            cwd: "/".into(),
            make_cwd: true,
            user: "0:0".into(),
            groups: Groups::Of(vec!["44".into()]),
            caps: 0x8004_05fb,
            ambient: 1 << 13,
            no_new_privs: true,
            seccomp: vec![6, 0, 0, 0, 0, 0, 0xff, 0x7f],
            rlimits: vec![(7, 1024, u64::MAX)],
            umask: 0o022,
            tty: Some(TtySize { rows: 24, cols: 80 }),
            stdin: true,
            oom_score_adj: Some(-1000),
            passed: 2,
            listens: true,
        },
        accounts: Accounts {
            passwd: vec![Account { name: "9".into(), id: 9, line: "9:*:9:$GID::/:/bin/sh".into() }],
            group: Vec::new(),
        },
        secret_env: vec![Variable { name: "A".into(), value: Secret::new(b"canary-2".to_vec()) }],
        init: true,
        cgroup: Cgroup { v2: Some("/sys/fs/cgroup/x".into()), ..Cgroup::default() },
        await_cgroup: true,
        denied: vec!["memory: no controller".into()],
        monitor: Monitor {
            log: Log::K8sFile { max_size: 1 << 40, path: Some("/l".into()) },
            restart: Restart::OnFailure { max: 3 },
            stop_signal: 15,
            stop_timeout: 10,
            timeout: 0,
            remove: true,
            name: "x".into(),
            files: vec!["/cid".into()],
            volumes: Vec::new(),
            attach: false,
            created: i64::MIN,
            events: Some(Events {
                path: "/e/log".into(),
                image: "\"i\"".into(),
                attributes: "{}".into(),
            }),
        },
        unit: Unit {
            notify: Some(Notify::Payload { main: Some(7) }),
            pidfile: Some("/run/pid".into()),
            monitor_pidfile: None,
        },
        health: None,
    }
}

#[test]
fn a_launch_survives_its_encoding() {
    let plan = launch();
    let bytes = postcard::to_stdvec(&plan).unwrap();
    assert!(!format!("{plan:?}").contains("canary"));
    assert_eq!(postcard::from_bytes::<Launch>(&bytes).unwrap(), plan);
    for cut in 0..bytes.len() {
        assert!(postcard::from_bytes::<Launch>(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn the_way_into_p_survives_its_encoding_and_fits_where_it_is_read() {
    use bolt_shim::control::Request;
    use bolt_shim::head::{Existing, FirstInit, Known, Spaces};
    use bolt_shim::launch::Userns;
    let boot = "0d1bd3e8-5a30-4b5e-9a4c-53a7b5f5b1c7".to_owned();
    let most = vec![(u32::MAX, u32::MAX); 20];
    let ids = Existing { uids: most.clone(), gids: most };
    let known = Known { not_before: u64::MAX, boot, ids };
    let spaces = Spaces { user: true, pid: false, net: true, ipc: false, uts: true };
    for userns in [Userns::Host, Userns::Join, Userns::JoinNew, Userns::MakeSingle] {
        for init in [None, Some(FirstInit { spaces, usual_ids: true })] {
            let known = known.clone();
            let request = Request::Enter { userns, init, known };
            let bytes = postcard::to_stdvec(&request).unwrap();
            assert!(bytes.len() <= Known::LONGEST);
            assert_eq!(postcard::from_bytes::<Request>(&bytes), Ok(request));
        }
    }
}
