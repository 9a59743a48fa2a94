//! What the payload finds: variables, directory, user, host name, limits.

use crate::harness::image::TestImage;
use crate::harness::process::finish;
use crate::harness::run;
use crate::harness::user::{IMAGE, has};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// As with podman, `whoami` and `ssh` find a user that only the caller knows.
#[test]
fn a_user_by_number_has_a_name() {
    let s = session!();
    let files = "id; tail -n 1 /etc/passwd; tail -n 1 /etc/group; echo $HOME";
    let want = "uid=4711(4711) gid=4712(4712) groups=4712(4712)\n\
                4711:*:4711:4712:container user:/srv:/bin/sh\n4712:x:4712:\n/srv";
    assert_eq!(s.script(&["-u", "4711:4712", "-w", "/srv"], files), want);
    assert_eq!(s.script(&["-u", "4711:4712", "-w", "/srv", "--read-only"], files), want);
    assert_eq!(s.script(&["-u", "4711:4712", "-w", "/srv", "--init"], files), want);
    // The group of one without a group, and one by name.
    assert_eq!(s.script(&["-u", "4711"], "id -G; tail -n 1 /etc/group"), "0\n4711:x:4711:");
    assert_eq!(s.script(&["-u", "4711:video"], "tail -n 1 /etc/passwd | cut -d : -f 4"), "44");
    for known in ["player", "1000", "0", "player:player"] {
        let lines = s.script(&["-u", known], "cat /etc/passwd /etc/group | wc -l");
        assert_eq!(lines.trim(), "5", "{known}");
    }
    let line = "me:*:$UID:$GID:$NAME:/x:/bin/sh";
    assert_eq!(
        s.script(&["-u", "9:8", "--passwd-entry", line], "tail -n 1 /etc/passwd"),
        "me:*:9:8:container user:/x:/bin/sh"
    );
    let out = s.script(&["-u", "4711:4712", "--passwd=false"], "id; echo $HOME");
    assert_eq!(out, "uid=4711 gid=4712 groups=4712\n/");
}

/// `pull` took it, and `run` gave another reason.
#[test]
fn a_data_directory_that_is_no_text_is_refused_by_every_verb() {
    let s = session!();
    let odd = std::ffi::OsStr::from_bytes(b"/tmp/\xff");
    for words in [&["images"][..], &["pull", "oci:/nowhere"], &["run", "--rm", IMAGE, "true"]] {
        let child = s.bolt(words).env("XDG_DATA_HOME", odd).spawn().unwrap();
        let out = finish(child, std::time::Duration::from_secs(30), "a verb");
        assert!(
            out.code == 125 && out.err.contains("set HOME, XDG_DATA_HOME"),
            "{words:?}: {out:?}"
        );
    }
}

/// As with podman: an image may have its WORKDIR for root alone.
#[test]
fn a_directory_that_is_kept_from_the_user_is_entered() {
    let s = session!();
    let script = "pwd; ls 2>/dev/null || echo denied";
    assert_eq!(s.script(&["-u", "player", "-w", "/root"], script), "/root\ndenied");
    let out = s.once(&["-u", "player", "-w", "/nowhere"], &["true"]);
    assert!(out.code == 126 && out.err.contains("/nowhere: No such file"), "{out:?}");
}

/// What the caller mounts at /etc/passwd is his: keep-id once wrote into it.
#[test]
fn a_passwd_that_is_mounted_stays_as_it_is() {
    let s = session!();
    let file = s.file("passwd", "root:x:0:0::/root:/bin/sh\n");
    let mount = format!("{file}:/etc/passwd");
    for flags in [["-u", "4711"], ["--userns", "keep-id:uid=77"]] {
        let lines = s.script(&[&flags[..], &["-v", &mount]].concat(), "cat /etc/passwd");
        assert_eq!(lines, "root:x:0:0::/root:/bin/sh", "{flags:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "root:x:0:0::/root:/bin/sh\n");
}

/// What an image has in the place of its account files: a line is added where there is one to add it
/// to, nothing is made, and nothing of it holds a start up.
#[test]
fn odd_account_files_are_left_alone() {
    use std::os::unix::fs::symlink;
    type Fill = fn(&std::path::Path);
    let cases: [(&str, Fill, &[&str], &str); 7] = [
        ("absent", |_| (), &["ls", "/etc"], "hostname\nhosts\nresolv.conf\n"),
        ("a directory", |path| std::fs::create_dir(path).unwrap(), &["ls", "/etc/passwd"], ""),
        (
            "a pipe",
            |path| drop(run("mkfifo", &[path.to_str().unwrap()])),
            &["stat", "-c", "%F", "/etc/passwd"],
            "fifo\n",
        ),
        (
            "a link to nowhere",
            |path| symlink("/nowhere", path).unwrap(),
            &["ls", "/etc"],
            "hostname\nhosts\npasswd\nresolv.conf\n",
        ),
        (
            "a link out of the root",
            |path| symlink("../../../../proc/sys/kernel/hostname", path).unwrap(),
            &["ls", "/etc"],
            "hostname\nhosts\npasswd\nresolv.conf\n",
        ),
        (
            "too large",
            |path| std::fs::write(path, vec![b'\n'; 5 << 20]).unwrap(),
            &["stat", "-c", "%s", "/etc/passwd"],
            "5242880\n",
        ),
        (
            "a link, and of another encoding",
            |path| {
                std::fs::write(path.with_file_name("real"), b"caf\xe9:x:1:1::/:/bin/sh").unwrap();
                symlink("../etc/real", path).unwrap();
            },
            &["od", "-An", "-c", "-j", "19", "-N", "8", "/etc/real"],
            "   s   h  \\n   4   7   1   1   :\n",
        ),
    ];
    let s = session!();
    for (case, fill, command, want) in cases {
        let image = TestImage::new(&[]);
        image.add(|root| {
            std::fs::create_dir(root.join("etc")).unwrap();
            fill(&root.join("etc/passwd"));
        });
        let id = s.pull(&image);
        for flags in [&[][..], &["--read-only"]] {
            let run = ["run", "--rm", "--network", "none", "-u", "4711"];
            let out = s.run(&[&run, flags, &[&id, "/bin/busybox"], command].concat());
            assert_eq!((out.code, out.out.as_str()), (0, want), "{case} {flags:?}: {out:?}");
        }
    }
}

/// The second start of a container finds its lines, and an exec adds none.
#[test]
fn a_user_by_number_is_added_once() {
    let s = session!();
    let count = "grep -c 4711 /etc/passwd; grep -c 4711 /etc/group; exec sleep 1000";
    let id = s.detached("numbered", &["-u", "4711"], count);
    s.ok(&["restart", "-t", "0", &id]);
    s.ok(&["exec", "-u", "5000", &id, "true"]);
    assert_eq!(
        s.ok(&["exec", &id, "sh", "-c", "cat /etc/passwd /etc/group | grep -c :4711:"]),
        "2"
    );
    s.ok(&["rm", "-f", "-t", "0", &id]);
}

#[test]
fn variables() {
    let s = session!();
    let file = s.file("env", "# a comment\n\nFROM_FILE=1\nB=file\nHOME_OF_CALLER\nTERM\n");
    let flags = ["--env-file", &file, "-e", "B=flag", "-e", "EMPTY=", "-e", "TERM", "-e", "UNSET"];
    let env = s.script(&flags, "env");
    for line in
        ["FROM_FILE=1", "B=flag", "EMPTY=", "TERM=xterm", "container=bolt", "PATH=/bin", "A=b"]
    {
        assert!(env.lines().any(|l| l == line), "{line} is not in {env}");
    }
    assert!(!env.contains("UNSET") && !env.contains("XDG_"), "{env}");
    assert!(!s.script(&["--unsetenv", "A"], "env").contains("A=b"));
    assert!(s.script(&["--env-host"], "env").contains("XDG_RUNTIME_DIR="));
    assert!(s.script(&[], "echo $HOME") == "/root");
    assert_eq!(s.script(&["-u", "player"], "echo $HOME"), "/home/player");
}

#[test]
fn directories() {
    let s = session!();
    assert_eq!(s.script(&[], "pwd"), "/");
    assert_eq!(s.script(&["-w", "/srv/data"], "pwd; cat file"), "/srv/data\nfrom the image");
    let out = s.once(&["-w", "/nope"], &["pwd"]);
    assert!(out.code == 126 && out.err.contains("/nope"), "{out:?}");
    // The image's own directory is made when it is missing.
    let image = TestImage::new(&[]);
    let name = image.source();
    let name = name.trim_start_matches("oci:");
    run("umoci", &["config", "--image", name, "--config.workingdir", "/made/here"]);
    let id = s.pull(&image);
    let args = ["run", "--rm", "--network", "none", &id, "/bin/busybox", "pwd"];
    assert_eq!(s.ok(&args), "/made/here");
}

#[test]
fn users() {
    let s = session!();
    let cases: &[(&[&str], &str)] = &[
        (&[], "0 0 root"),
        (&["-u", "player"], "1000 1000 player"),
        (&["-u", "1000"], "1000 1000 player"),
        (&["-u", "1000:44"], "1000 44 player"),
        (&["-u", "player:video"], "1000 44 player"),
        (&["-u", "4242"], "4242 0 4242"),
        (&["-u", "4242:4343"], "4242 4343 4242"),
        (&["-u", "4242:"], "4242 0 4242"),
        (&["-u", ":44"], "0 44 root"),
    ];
    for (flags, want) in cases {
        let got = s.script(flags, "echo $(id -u) $(id -g) \"$(id -un 2>/dev/null)\"");
        assert_eq!(got.trim(), want.trim(), "{flags:?}");
    }
    assert_eq!(s.script(&["-u", "player"], "id -G"), "1000 44");
    assert_eq!(s.script(&["--group-add", "video"], "id -G"), "0 44");
    assert_eq!(s.script(&["--group-add", "video,7"], "id -G"), "0 7 44");
    for unknown in ["nosuch", "player:nosuch"] {
        let out = s.once(&["-u", unknown], &["id"]);
        assert!(out.code == 126 && out.err.contains("nosuch"), "{out:?}");
    }
}

/// CVE-2026-30892: a uid beyond 32 bits must not wrap to root.
#[test]
fn cve_2026_30892_ids_do_not_wrap() {
    let s = session!();
    for (id, code) in [
        ("4294967295", 125),
        ("4294967296", 125),
        ("18446744073709551616", 125),
        ("0:4294967296", 125),
        // Names, which nobody has.
        ("-1", 126),
        ("0x0", 126),
        ("+0", 126),
    ] {
        let flag = format!("--user={id}");
        let out = s.once(&[&flag], &["id"]);
        assert_eq!((out.code, out.out.as_str()), (code, ""), "{id}: {out:?}");
    }
}

#[test]
fn host_names() {
    let s = session!();
    assert_eq!(s.script(&["--hostname", "zork"], "hostname; cat /etc/hostname"), "zork\nzork");
    assert!(s.script(&["--hostname", "zork"], "cat /etc/hosts").contains("zork"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(s.script(&["--uts", "host"], "hostname"), host.trim());
    let id = s.detached("x", &[], "hostname; sleep 1000");
    crate::harness::user::until("logged", || !s.ok(&["logs", "x"]).is_empty());
    assert_eq!(s.ok(&["logs", "x"]), id[..12]);
}

#[test]
fn entry_points() {
    let s = session!();
    assert_eq!(s.once(&["--entrypoint", "echo"], &["a", "b"]).out, "a b\n");
    assert_eq!(s.once(&["--entrypoint", r#"["echo","x"]"#], &["y"]).out, "x y\n");
    assert_eq!(s.once(&["--entrypoint", ""], &["echo", "z"]).out, "z\n");
    let out = s.once(&["--entrypoint", ""], &[]);
    assert_eq!(out.code, 125, "{out:?}");
    assert!(out.err.contains("command"), "{out:?}");
}

#[test]
fn limits_and_masks_of_the_process() {
    let s = session!();
    assert_eq!(s.script(&["--umask", "0077"], "umask"), "0077");
    assert_eq!(s.script(&[], "umask"), "0022");
    assert_eq!(s.script(&["--ulimit", "nofile=64:128"], "ulimit -Sn; ulimit -Hn"), "64\n128");
    let clamped = s.once(&["--ulimit", "nofile=4000000000"], &["sh", "-c", "ulimit -Hn"]);
    assert_eq!(clamped.code, 0, "{clamped:?}");
    let hard: u64 = clamped.out.trim().parse().unwrap();
    assert!(hard < 4_000_000_000 && clamped.err.contains("nofile"), "{clamped:?}");
    assert_eq!(s.script(&["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj"), "500");
    let size = s.script(&["--shm-size", "1m"], "df -k /dev/shm | tail -n 1 | awk '{print $2}'");
    assert_eq!(size, "1024");
    let flags = ["--sysctl", "kernel.msgmax=9000", "--sysctl", "net.ipv4.ip_forward=1"];
    let script = "cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward";
    assert_eq!(s.script(&flags, script), "9000\n1");
}

/// A start places its processes, which must not show: who is bound to some processors stays so.
#[test]
fn a_payload_has_its_callers_processors() {
    let s = session!();
    if !has("taskset") {
        skip!("no taskset");
    }
    let list = "grep Cpus_allowed /proc/self/status";
    let own = run("sh", &["-c", list]);
    let first = own.trim().rsplit('\t').next().and_then(|l| l.split([',', '-']).next()).unwrap();
    let run = format!("exec \"$BOLT\" run --rm --network none {IMAGE} {list}");
    let bound = format!("taskset -cp {first} $$ >/dev/null; {list}; {run}");
    let said = |script: &str| {
        let mut command = s.command("sh");
        command.args(["-c", script]).env("BOLT", s.program());
        finish(command.spawn().unwrap(), Duration::from_secs(30), script).out
    };
    for _ in 0..10 {
        assert_eq!(said(&run), own);
        let twice = said(&bound);
        let (caller, payload) = twice.split_at(twice.len() / 2);
        assert_eq!(caller, payload);
        assert_ne!(caller, own);
    }
}

#[test]
fn id_maps() {
    let s = session!();
    let owners_script = "echo $(id -u):$(id -g) $(stat -c %u:%g /mine /root | tr '\\n' ' ')";
    let (uid, gid) = (s.user.uid, s.user.gid);
    let file = s.file("mine", "x");
    let mount = format!("{file}:/mine");
    let owners = |flags: &[&str]| {
        let flags: Vec<_> = ["-v", &mount].into_iter().chain(flags.iter().copied()).collect();
        s.script(&flags, owners_script).trim_end().to_owned()
    };
    assert_eq!(owners(&[]), "0:0 0:0 0:0");
    let kept = format!("{uid}:{gid}");
    assert_eq!(owners(&["--userns", "keep-id"]), format!("{kept} {kept} 0:0"));
    assert_eq!(owners(&["--userns", "keep-id", "-u", "0"]), format!("0:0 {kept} 0:0"));
    assert_eq!(owners(&["--userns", "nomap"]), "0:0 65534:65534 0:0");
    assert_eq!(owners(&["--userns", "auto"]), "0:0 65534:65534 0:0");
}

/// What podman's users have set for all their containers; a flag goes before it.
#[test]
fn containers_conf() {
    let s = session!();
    std::fs::create_dir_all(s.home().join(".config/containers/containers.conf.d")).unwrap();
    let conf = ".config/containers/containers.conf";
    s.file(
        conf,
        r#"
        [containers]
        shm_size = "1m"
        umask = "0027"
        env = ["A=conf", "FROM_CONF=1"]
        default_ulimits = ["stack=1048576:1048576", "nofile=64:64"]
        default_capabilities = ["CHOWN"]
        annotations = ["k=v"]
        dns_servers = ["10.9.9.9"]
        volumes = ["/etc:/conf:ro"]
        init = true
        pids_limit = 0
        "#,
    );
    s.file(".config/containers/containers.conf.d/z.conf", "[engine]\nstop_timeout = 3\n");
    let script = "umask; echo $A $FROM_CONF; ulimit -s; ulimit -n; cat /etc/resolv.conf; \
        df -k /dev/shm | tail -n 1 | awk '{print $2}'; test -e /conf/passwd && echo bound; \
        grep CapBnd /proc/self/status; cat /proc/1/cmdline | tr '\\0' ' '";
    let got = s.script(&["--ulimit", "nofile=99:99"], script);
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(
        lines[..7],
        ["0027", "b 1", "1024", "99", "nameserver 10.9.9.9", "1024", "bound"],
        "the image's A=b goes before the file's: {got}"
    );
    assert_eq!(lines[7], "CapBnd:\t0000000000000001");
    assert!(!lines[8].starts_with("sh "), "an init is pid 1: {got}");
    let off = s.script(&["--init=false"], "cat /proc/1/comm; true");
    assert_eq!(off.trim(), "sh", "a flag that was typed goes before the file");
    let typed = s.script(&["--umask", "0077", "--shm-size", "2m", "-e", "A=flag"], script);
    assert!(typed.starts_with("0077\nflag 1\n") && typed.contains("\n2048\n"), "{typed}");
    let id = s.ok(&["create", IMAGE, "true"]);
    assert_eq!(s.inspect(&id, "index .HostConfig.Annotations \"k\""), "v");
    assert_eq!(s.inspect(&id, ".Config.StopTimeout"), "3");
    for (text, said) in [
        ("[containers]\npids_limit = \"many\"\n", "[containers] pids_limit must be a whole number"),
        ("[containers]\nshm_size = \"big\"\n", "shm_size"),
        ("[containers]\ndefault_ulimits = [\"x=1\"]\n", "containers.conf: default_ulimits: "),
        ("[containers\n", "containers.conf:1: "),
        ("[containers.env]\n", "env must be a list"),
        ("[containers]\ntz = \"Nowhere\"\n", "containers.conf: tz: --tz \"Nowhere\" is"),
        ("[containers]\numask = \"9\"\n", "containers.conf: umask: --umask \"9\" is"),
        ("[containers]\nuserns = \"x\"\n", "containers.conf: userns: --userns \"x\" is"),
        (
            "[containers]\nannotations = [\"k\"]\n",
            "containers.conf: annotations: --annotation \"k\":",
        ),
        ("[containers]\nenv = [\"=\"]\n", "containers.conf: env: --env \"=\" has"),
        (
            "[containers]\nvolumes = [\"/etc:/\"]\n",
            "containers.conf: volumes: --volume \"/etc:/\":",
        ),
        ("[containers]\ndevices = [\"/etc\"]\n", "containers.conf: devices: --device \"/etc\":"),
    ] {
        s.file(conf, text);
        let out = s.once(&[], &["true"]);
        assert!(out.code == 125 && out.err.contains(said), "{text}: {out:?}");
    }
}

/// An init that was made for the usual ids gives way to one with these.
#[test]
fn ids_of_containers_conf_are_those_of_the_container() {
    let s = session!();
    std::fs::create_dir_all(s.home().join(".config/containers")).unwrap();
    let ids = |flags: &[&str]| s.script(flags, "id -u; cat /proc/self/uid_map");
    let kept = ids(&["--userns", "keep-id"]);
    assert_ne!(kept, ids(&[]));
    s.file(".config/containers/containers.conf", "[containers]\nuserns = \"keep-id\"\n");
    assert_eq!(ids(&[]), kept);
    let beside = s.ok(&["run", "-d", "--network", "none", IMAGE, "sleep", "1000"]);
    assert_eq!(ids(&[]), kept);
    s.ok(&["rm", "-f", "-t", "0", &beside]);
}

#[test]
fn errors_name_the_flag_in_one_line() {
    let s = session!();
    for (flags, said, code) in [
        (&["--cgroupns=\u{e9}"][..], "--cgroupns \"\u{e9}\" is not known", 125),
        (&["-u", "no\nbody"], "no\\nbody", 126),
        (&["--cidfile", "no\nsuch/dir"], "no\\nsuch/dir", 125),
    ] {
        let out = s.once(flags, &["true"]);
        assert!(out.code == code && out.err.contains(said), "{flags:?}: {out:?}");
        let lines = out.err.lines().filter(|line| !line.starts_with("hint: "));
        assert_eq!(lines.count(), 1, "{flags:?}: {out:?}");
    }
    // Not even of the one that failed while its supervisor mounted.
    assert_eq!(s.run(&["ps", "-aq"]).out, "");
}

/// Queues and memory of the host, as podman binds them.
#[test]
fn the_hosts_ipc() {
    let s = session!();
    let host = std::fs::read_link("/proc/self/ns/ipc").unwrap();
    let name = format!("bolt-test-{}", std::process::id());
    let file = std::path::Path::new("/dev/shm").join(&name);
    std::fs::write(&file, "of the host").unwrap();
    let script = format!("readlink /proc/self/ns/ipc; cat /dev/shm/{name}; ls /dev/mqueue");
    let got = s.once(&["--ipc", "host"], &["sh", "-c", &script]);
    std::fs::remove_file(&file).unwrap();
    let want = format!("{}\nof the host", host.display());
    assert!(got.code == 0 && got.out.starts_with(&want), "{got:?}");
    let own = s.script(&[], "readlink /proc/self/ns/ipc; ls /dev/shm /dev/mqueue");
    assert!(!own.contains(host.to_str().unwrap()) && !own.contains(&name), "{own}");
}

/// overlayfs takes backslashes out of some of its options.
#[test]
fn a_data_directory_may_have_any_name() {
    let s = session!();
    let odd = s.make_dir("a\\b:c,d e");
    let source = s.image_source();
    let bolt = |args: &[&str]| {
        let child = s.bolt(args).env("XDG_DATA_HOME", &odd).spawn().unwrap();
        crate::harness::process::finish(child, std::time::Duration::from_secs(60), "odd")
    };
    let out = bolt(&["pull", "-q", &source]);
    assert_eq!(out.code, 0, "{out:?}");
    let id = out.out.trim().to_owned();
    let args = ["run", "--network", "none", "--name", "x", &id, "sh", "-c", "echo hi | tee /made"];
    let out = bolt(&args);
    assert_eq!((out.code, out.out.as_str()), (0, "hi\n"), "{out:?}");
    let out = bolt(&["cp", "x:/made", "-"]);
    assert!(out.code == 0 && out.out.contains("hi"), "{out:?}");
    assert_eq!(bolt(&["rm", "x"]).code, 0);
}

#[test]
fn an_image_for_another_machine_is_another_image() {
    let s = session!();
    let run = |policy: &str, platform: &str| {
        s.once(&["--pull", policy, "--platform", platform], &["echo", "ran"])
    };
    let host = s.ok(&["image", "inspect", IMAGE, "--format", "{{.Os}}/{{.Architecture}}"]);
    assert_eq!(run("never", &host).out, "ran\n");
    let out = run("never", "linux/s390x");
    let said = format!("is here for {host}, not for linux/s390x, and --pull=never");
    assert!(out.code == 125 && out.err.contains(&said), "{out:?}");
    let out = run("missing", "linux/s390x");
    assert!(out.code == 125 && out.out.is_empty(), "{out:?}");
}

/// `system check --repair` does what the error of every other command says that it does.
#[test]
fn a_torn_store_record_is_repaired() {
    let s = session!();
    std::fs::write(s.data().join("store/meta.json"), "").unwrap();
    let out = s.run(&["images"]);
    assert!(out.code == 125 && out.err.contains("system check --repair"), "{out:?}");
    let out = s.run(&["system", "check", "--repair"]);
    assert!(out.code == 0 && out.out.contains("repaired: meta.json"), "{out:?}");
    assert_eq!(s.script(&[], "echo back"), "back");
}

#[test]
fn a_wait_for_the_store_is_told() {
    let s = session!();
    let store = bolt::store::Store::open(&s.data().join("store")).unwrap();
    let held = store.shared_lock().unwrap();
    let prune = s.spawn(&["image", "prune", "-f"]);
    std::thread::sleep(std::time::Duration::from_millis(1600));
    drop(held);
    let out = crate::harness::process::finish(prune, std::time::Duration::from_secs(60), "prune");
    assert!(out.code == 0 && out.err.contains("bolt: waiting for another bolt"), "{out:?}");
    let out = s.run(&["image", "prune", "-f"]);
    assert!(out.code == 0 && !out.err.contains("waiting"), "{out:?}");
}

/// A wrong path, or a hostile one, may lead to a file without an end.
#[test]
fn files_without_an_end_are_refused() {
    let s = session!();
    for flags in [["--env-file", "/dev/zero"], ["--security-opt", "seccomp=/dev/zero"]] {
        let out = s.once(&flags, &["true"]);
        assert_eq!(out.code, 125, "{flags:?}: {out:?}");
        assert!(out.err.contains("/dev/zero") && out.err.contains("4 MiB"), "{flags:?}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// A pipe that nobody writes to, a terminal, a device or a directory in the place of a file: an
/// error that names it, and soon.
#[test]
fn odd_files_are_not_waited_for() {
    let s = session!();
    let config = s.home().join(".config/containers");
    for dir in [".config", ".config/containers", ".config/containers/registries.conf.d"] {
        s.make_dir(dir);
    }
    let pipe = s.file("pipe", "");
    std::fs::remove_file(&pipe).unwrap();
    run("mkfifo", &["-m", "0666", &pipe]);
    let local = ["run", "--rm", "--network", "none", IMAGE, "true"];
    let pull = ["pull", "-q", "127.0.0.1:1/x"];
    let files: [(&str, &[&str]); 5] = [
        ("containers.conf", &local),
        ("registries.conf", &pull),
        ("registries.conf.d/x.conf", &pull),
        ("policy.json", &pull),
        ("auth.json", &pull),
    ];
    let soon = std::time::Duration::from_secs(10);
    for odd in [pipe.as_str(), "/dev/zero", "/dev/full", "/"] {
        // A directory among the drop-ins is none of them.
        let files = files.iter().filter(|(name, _)| odd != "/" || !name.contains('/'));
        for (name, args) in files {
            let file = config.join(name);
            std::os::unix::fs::symlink(odd, &file).unwrap();
            let begun = std::time::Instant::now();
            let out = s.run(args);
            assert!(out.code == 125 && out.err.contains(name), "{odd} {name}: {out:?}");
            assert!(begun.elapsed() < soon, "{odd} {name}");
            std::fs::remove_file(file).unwrap();
        }
        let seccomp = format!("seccomp={odd}");
        for (flag, verb, rest) in [
            ("--env-file", "run", &local[1..]),
            ("--security-opt", "run", &local[1..]),
            ("--authfile", "pull", &pull[1..]),
            ("--cidfile", "stop", &[]),
            ("--fps-log", "bench", &[]),
        ] {
            let value = if flag == "--security-opt" { &seccomp } else { odd };
            let flags = match verb {
                "bench" => vec!["bench", "record", IMAGE, flag, value],
                verb => [&[verb, flag, value], rest].concat(),
            };
            let begun = std::time::Instant::now();
            let out = s.run(&flags);
            assert!(out.code != 0 && out.err.contains(odd), "{flags:?}: {out:?}");
            assert!(begun.elapsed() < soon, "{flags:?}");
        }
        let archive = format!("oci-archive:{odd}");
        let out = s.run(&["pull", &archive]);
        assert!(out.code == 125 && out.err.contains("regular file"), "{out:?}");
    }
    // What the shell puts there when it is told so is a file like any other.
    let bolt = s.program();
    let script = format!(
        "{} run --rm --network none --env-file <(sleep 0.2; echo A=piped) {IMAGE} sh -c 'echo $A'",
        bolt.display()
    );
    let child = s.command("bash").args(["-c", &script]).spawn().unwrap();
    let out = crate::harness::process::finish(child, soon, &script);
    assert_eq!((out.code, out.out.as_str()), (0, "piped\n"), "{out:?}");
    std::os::unix::fs::symlink("/dev/null", config.join("containers.conf")).unwrap();
    s.ok(&local);
}

#[test]
fn locked_is_about_names_of_games() {
    let s = session!();
    let out = s.once(&["--locked"], &["true"]);
    assert!(out.code == 125 && out.err.contains("no bolt:// name"), "{out:?}");
    let out = s.run(&["pull", "--locked", "docker.io/library/x"]);
    assert!(out.code == 125 && out.err.contains("no bolt:// name"), "{out:?}");
}
