//! Container directories for tests, made by the real code in a temporary directory.

use super::config::*;
use super::dir::Containers;
use super::log_driver::LogDriver;
use crate::sys::dirs::Dirs;
use crate::sys::scratch::Scratch;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An empty `containers` directory.
pub(crate) fn containers() -> (Scratch, Containers) {
    let scratch = Scratch::new("containers");
    let all = Containers::open(&dirs(scratch.path())).unwrap();
    (scratch, all)
}

/// Base directories below `root`.
pub(crate) fn dirs(root: &Path) -> Dirs {
    Dirs {
        data: root.join("data"),
        cache: root.join("cache"),
        state: root.join("state"),
        config_home: root.join("config"),
        login: "tester".to_owned().into(),
        home: root.to_owned(),
        uid: 0,
        gid: 0,
    }
}

/// A plain config.
pub(crate) fn config(id: &str, name: &str) -> Config {
    Config {
        version: VERSION,
        id: id.to_owned(),
        name: name.to_owned(),
        created: 1_700_000_000_000_000_000,
        create_command: vec!["bolt".into(), "create".into()],
        create_dir: String::new(),
        origin: Origin::Directory(PathBuf::from("/srv/root")),
        process: Process { cmd: vec!["sh".into()], cwd: "/".into(), ..Process::default() },
        hostname: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        network: Network::None,
        ports: Default::default(),
        dns: Dns::default(),
        userns: Userns::Host,
        share: Vec::new(),
        mounts: Vec::new(),
        devices: Vec::new(),
        narrow_devices: BTreeMap::new(),
        read_only: false,
        shm_size: 64 << 20,
        sysctl: BTreeMap::new(),
        security: Security {
            caps: Vec::new(),
            added: Vec::new(),
            no_new_privileges: false,
            seccomp: "default".into(),
            mask: Vec::new(),
            unmask: Vec::new(),
            privileged: false,
        },
        resources: Resources::default(),
        ulimits: Vec::new(),
        init: false,
        remove: false,
        restart: "no".into(),
        stop_signal: 15,
        stop_timeout: 10,
        timeout: 0,
        log_driver: LogDriver::K8sFile,
        log_path: None,
        log_tag: String::new(),
        log_max_size: 0,
        cidfile: None,
        tz: None,
        anonymous_volumes: Vec::new(),
        unit: Default::default(),
        health: None,
        secrets: Vec::new(),
    }
}
