//! What the flags of `run` and `create` mean: flags, image and caller → [`Config`].

use crate::cmd::create::Base;
use crate::cmd::create_args::unit::pidfile;
use crate::cmd::create_args::{Asked, CreateArgs};
use crate::container::config::{Config, Dns, Mount, Network, Process, Security, Userns, VERSION};
use crate::container::service::{Cgroups, SdNotify, Unit};
use crate::image::types::RunConfig;
use crate::settings::{Service, Settings};
use crate::spec::{caps, defaults, devices, env, mounts, signals, ulimit};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Bytes of `USER:GROUP`: useradd(8) makes none of more than 32 letters, LOGIN_NAME_MAX is 256.
const LONGEST_USER: usize = 1024;
/// Bytes of a path (PATH_MAX of linux/limits.h, without the zero at its end).
const LONGEST_PATH: usize = 4095;

impl CreateArgs {
    /// What the flags mean for a container of this origin. `caller` is the caller's environment.
    pub fn config(
        &self,
        id: &str,
        name: &str,
        base: &Base,
        caller: &[(String, String)],
    ) -> anyhow::Result<Config> {
        let (image, userns) = (&base.image, base.userns);
        let cwd =
            std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_else(|_| "/".into());
        let network = self.network()?;
        let log = self.log.log()?;
        let devices = self.devices()?;
        let config = Config {
            version: VERSION,
            id: id.to_owned(),
            name: name.to_owned(),
            created: crate::container::time::now(),
            create_command: crate::settings::command_line(),
            origin: base.origin.clone(),
            process: self.process(userns, image, caller)?,
            hostname: self.hostname.clone(),
            labels: self.labels(image)?,
            annotations: self.annotations()?,
            ports: self.ports.ports(&network, &image.exposed_ports)?,
            network,
            dns: self.dns()?,
            userns,
            share: self.share()?,
            mounts: self.mounts(image, &cwd)?,
            narrow_devices: devices
                .iter()
                .filter(|device| device.is_narrow())
                .map(|device| (device.target.clone(), device.permissions.clone()))
                .collect(),
            devices: devices.into_iter().map(|d| (d.source, d.target)).collect(),
            read_only: self.read_only == Some(true),
            shm_size: self.isolation.shm_size.unwrap_or(defaults::SHM_SIZE),
            sysctl: self.sysctls()?,
            security: self.security()?,
            resources: self.limits.resources(),
            ulimits: self.ulimits()?,
            init: self.process.init == Some(true),
            remove: self.rm,
            restart: restart_policy(self.unit.restart.as_deref().unwrap_or("no"), self.rm)?,
            stop_signal: self.stop_signal(image)?,
            stop_timeout: self.process.stop_timeout.unwrap_or(defaults::STOP_TIMEOUT),
            timeout: self.process.timeout,
            log_driver: log.driver,
            log_max_size: log.max_size,
            log_path: log.path,
            log_tag: log.tag,
            cidfile: self.cidfile()?,
            tz: self.tz()?,
            anonymous_volumes: Vec::new(),
            create_dir: cwd,
            unit: self.unit()?,
            health: self.health.health(image.healthcheck.as_ref())?,
            secrets: Vec::new(),
        };
        let limits = crate::launch::limits(&config.resources);
        limits.validate()?;
        consistent(&config, !limits.asked().is_empty())?;
        Ok(config)
    }

    /// The containers of `--requires` are looked up where there are containers.
    fn unit(&self) -> anyhow::Result<Unit> {
        let args = &self.unit;
        Ok(Unit {
            sdnotify: args.sdnotify,
            cgroups: args.cgroups.unwrap_or_default(),
            pidfile: pidfile("--pidfile", args.pidfile.as_deref())?,
            conmon_pidfile: pidfile("--conmon-pidfile", args.conmon_pidfile.as_deref())?,
            requires: Vec::new(),
        })
    }

    fn process(
        &self,
        userns: Userns,
        image: &RunConfig,
        caller: &[(String, String)],
    ) -> anyhow::Result<Process> {
        let entrypoint = match &self.entrypoint {
            None => image.entrypoint.clone(),
            Some(text) if text.starts_with('[') => serde_json::from_str(text)
                .with_context(|| format!("--entrypoint {text:?} is no JSON array of strings"))?,
            Some(text) if text.is_empty() => Vec::new(),
            Some(text) => vec![text.clone()],
        };
        let cmd = match (self.command().is_empty(), &self.entrypoint) {
            (false, _) => self.command().to_vec(),
            (true, None) => image.cmd.clone(),
            // An entry point of the user's own goes without the image's arguments.
            (true, Some(_)) => Vec::new(),
        };
        if entrypoint.is_empty() && cmd.is_empty() && !self.process.keep_alive {
            bail!(
                "no command: {} has neither entry point nor command; name one after it, or use --keep-alive to exec into it",
                self.image()
            );
        }
        let user = match (&self.user, userns) {
            (Some(user), _) => user.clone(),
            (None, Userns::KeepId { uid, gid }) => format!("{uid}:{gid}"),
            (None, _) => image.user.clone(),
        };
        if self.process.group_add.len() > 1
            && self.process.group_add.iter().any(|g| g == "keep-groups")
        {
            bail!("--group-add keep-groups keeps all groups; it goes with no other --group-add");
        }
        let cwd = self.workdir.clone().unwrap_or_else(|| {
            if image.working_dir.is_empty() { "/".into() } else { image.working_dir.clone() }
        });
        self.check_length("user", "User", self.user.is_some(), &user, LONGEST_USER)?;
        self.check_length("workdir", "WorkingDir", self.workdir.is_some(), &cwd, LONGEST_PATH)?;
        if !cwd.starts_with('/') {
            bail!("--workdir {cwd:?} must be an absolute path");
        }
        Ok(Process {
            entrypoint,
            cmd,
            env: self.env(image, caller)?,
            make_cwd: self.workdir.is_none(),
            cwd,
            user,
            groups: self.process.group_add.clone(),
            no_passwd: self.process.passwd == Some(false),
            passwd_entry: self.process.passwd_entry.clone().filter(|line| !line.is_empty()),
            umask: self.umask()?,
            tty: self.tty,
            stdin: self.interactive,
            oom_score_adj: self.process.oom_score_adj,
        })
    }

    /// Refuses what is too long to be anything, and names who said it: the flag, or else the image.
    fn check_length(
        &self,
        flag: &str,
        field: &str,
        given: bool,
        value: &str,
        most: usize,
    ) -> anyhow::Result<()> {
        match (value.len() <= most, given) {
            (true, _) => Ok(()),
            (_, true) => bail!("--{flag} has {} bytes; at most {most} can be right", value.len()),
            (_, false) => bail!(
                "the configuration of {} is damaged: its {field} has {} bytes, and at most {most} \
                 can be right; give another one with --{flag}",
                self.image(),
                value.len()
            ),
        }
    }

    fn umask(&self) -> anyhow::Result<u32> {
        let Some(text) = &self.process.umask else { return Ok(defaults::UMASK) };
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.with_context(|| format!("--umask {text:?} is no octal mode up to 0777"))
    }

    fn env(&self, image: &RunConfig, caller: &[(String, String)]) -> anyhow::Result<Vec<String>> {
        let mut all = env::Env::default();
        all.set("PATH", defaults::PATH);
        all.set("TERM", "xterm");
        all.set("container", "bolt");
        for (key, value) in caller {
            let key_of_manager = Service::VARIABLES.contains(&key.as_str());
            if (self.process.env_host == Some(true) && !key_of_manager)
                || env::PROXIES.contains(&key.as_str())
            {
                all.set(key, value);
            }
        }
        for word in self.defaults.env.iter().flatten() {
            all.add(word, caller)?;
        }
        for pair in &image.env {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.set(key, value);
        }
        for name in &self.process.unsetenv {
            all.unset(name);
        }
        for file in &self.process.env_file {
            all.add_file(file, caller)?;
        }
        for word in &self.env {
            all.add(word, caller)?;
        }
        Ok(all.into_pairs()?)
    }

    fn labels(&self, image: &RunConfig) -> anyhow::Result<BTreeMap<String, String>> {
        let is_nameless = |label: &&String| label.is_empty() || label.starts_with('=');
        if let Some(label) = self.label.iter().find(is_nameless) {
            bail!("--label {label:?} has no name; use NAME=VALUE or NAME");
        }
        let mut labels = image.labels.clone();
        labels.extend(pairs(&self.label));
        Ok(labels)
    }

    fn annotations(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let is_bad = |text: &&String| text.find('=').is_none_or(|at| at == 0);
        if let Some(text) = self.unit.annotation.iter().find(is_bad) {
            bail!("--annotation {text:?}: write KEY=VALUE");
        }
        Ok(pairs(&self.unit.annotation))
    }

    fn network(&self) -> anyhow::Result<Network> {
        let Some(mode) = &self.network else { return Ok(Network::Default) };
        let (name, options) = mode.split_once(':').unwrap_or((mode, ""));
        let options: Vec<String> =
            options.split(',').filter(|o| !o.is_empty()).map(str::to_owned).collect();
        Ok(match name {
            "none" => Network::None,
            "host" => Network::Host,
            "private" => Network::Default,
            "pasta" => Network::Pasta(options),
            "slirp4netns" => Network::Slirp4netns(options),
            _ => bail!(
                "--network {mode:?} is not known; use none, host, pasta or slirp4netns (named networks are not in this version)"
            ),
        })
    }

    fn dns(&self) -> anyhow::Result<Dns> {
        let list = |of: &Option<Vec<String>>| of.clone().unwrap_or_default();
        let dns = Dns {
            servers: list(&self.defaults.dns_servers),
            searches: list(&self.defaults.dns_searches),
            options: list(&self.defaults.dns_options),
        };
        if let Some(bad) = dns.servers.iter().find(|s| s.parse::<std::net::IpAddr>().is_err()) {
            bail!("containers.conf: dns_servers: {bad:?} is not an IP address");
        }
        let words = dns.searches.iter().chain(&dns.options);
        if let Some(bad) = words.into_iter().find(|w| w.contains(char::is_whitespace)) {
            bail!("containers.conf: dns_searches and dns_options are single words, not {bad:?}");
        }
        Ok(dns)
    }

    /// `--userns` as it was meant.
    pub fn userns(&self, settings: &Settings) -> anyhow::Result<Asked> {
        let Some(mode) = &self.userns else { return Ok(Asked::Is(Userns::Host)) };
        let (name, options) = mode.split_once(':').unwrap_or((mode, ""));
        match (name, options) {
            ("host" | "", "") => Ok(Asked::Is(Userns::Host)),
            ("nomap", "") => Ok(Asked::Is(Userns::NoMap)),
            ("auto", options) => auto(mode, options),
            ("keep-id", options) => {
                let (mut uid, mut gid) = (settings.dirs.uid, settings.dirs.gid);
                for option in options.split(',').filter(|o| !o.is_empty()) {
                    let (key, value) = option.split_once('=').unwrap_or((option, ""));
                    let number = value
                        .parse()
                        .with_context(|| format!("--userns {mode:?}: {option:?} wants a number"))?;
                    match key {
                        "uid" => uid = number,
                        "gid" => gid = number,
                        _ => bail!(
                            "--userns {mode:?}: unknown option {key:?}; uid and gid are known"
                        ),
                    }
                }
                Ok(Asked::Is(Userns::KeepId { uid, gid }))
            }
            _ => bail!(
                "--userns {mode:?} is not known; use host, keep-id[:uid=N,gid=N], nomap or auto[:size=N]"
            ),
        }
    }

    fn share(&self) -> anyhow::Result<Vec<String>> {
        let mut shared = Vec::new();
        for (flag, name, value) in [
            ("ipc", "ipc", &self.isolation.ipc),
            ("uts", "uts", &self.isolation.uts),
            ("cgroupns", "cgroup", &self.isolation.cgroupns),
        ] {
            match value.as_deref() {
                None | Some("private" | "shareable" | "") => {}
                Some("host") => shared.push(name.to_owned()),
                Some(other) => bail!("--{flag} {other:?} is not known; use private or host"),
            }
        }
        Ok(shared)
    }

    fn mounts(&self, image: &RunConfig, cwd: &str) -> anyhow::Result<Vec<Mount>> {
        let mut list = Vec::new();
        for text in &self.volume {
            list.push(mounts::volume(text, cwd)?);
        }
        for text in &self.mount {
            list.push(mounts::mount(text, cwd)?);
        }
        for text in &self.tmpfs {
            list.push(mounts::tmpfs(text)?);
        }
        for text in self.defaults.volumes.iter().flatten() {
            let volume = mounts::volume(text, cwd)?;
            if !list.iter().any(|m: &Mount| m.target == volume.target) {
                list.push(volume);
            }
        }
        for target in &image.volumes {
            let volume = mounts::image_volume(target)?;
            if !list.iter().any(|m: &Mount| m.target == volume.target) {
                list.push(volume);
            }
        }
        for (n, mount) in list.iter().enumerate() {
            if list[..n].iter().any(|m| m.target == mount.target) {
                bail!("{} is mounted twice; name each path in the container once", mount.target);
            }
        }
        Ok(list)
    }

    /// Absolute: the supervisor, which removes it with `--rm`, has another working directory.
    fn cidfile(&self) -> anyhow::Result<Option<PathBuf>> {
        self.unit.cidfile.as_ref().map(std::path::absolute).transpose().context("--cidfile")
    }

    /// Refused here where the host does not know it, so that no start falls back to UTC.
    fn tz(&self) -> anyhow::Result<Option<String>> {
        if let Some(zone) = &self.process.tz {
            crate::launch::zone_file(zone)?;
        }
        Ok(self.process.tz.clone())
    }

    fn devices(&self) -> anyhow::Result<Vec<devices::Device>> {
        Ok(self.device.iter().map(|text| devices::parse(text)).collect::<Result<_, _>>()?)
    }

    fn sysctls(&self) -> anyhow::Result<BTreeMap<String, String>> {
        self.isolation.sysctl
            .iter()
            .map(|text| {
                let (key, value) = text.split_once('=').with_context(|| format!("--sysctl {text:?}: write NAME=VALUE"))?;
                let known = key.starts_with("net.") || key.starts_with("fs.mqueue.") || key.starts_with("kernel.shm") || key.starts_with("kernel.msg") || key == "kernel.sem";
                if !known || key.contains('/') {
                    bail!("--sysctl {key:?} does not belong to a namespace; net.*, fs.mqueue.*, kernel.shm*, kernel.msg* and kernel.sem do");
                }
                Ok((key.to_owned(), value.to_owned()))
            })
            .collect()
    }

    fn security(&self) -> anyhow::Result<Security> {
        let base = match &self.defaults.capabilities {
            _ if self.isolation.privileged => caps::CapSet::ALL,
            Some(names) => caps::CapSet::EMPTY
                .adjusted(names, &[])
                .context("containers.conf: default_capabilities")?,
            None => caps::CapSet::container_default(),
        };
        let kept = base.adjusted(&self.cap_add, &self.cap_drop)?;
        let added = caps::CapSet::EMPTY.adjusted(&self.cap_add, &[])?.intersection(kept);
        let mut security = Security {
            caps: kept.names().map(str::to_owned).collect(),
            added: added.names().map(str::to_owned).collect(),
            no_new_privileges: false,
            seccomp: "default".into(),
            mask: Vec::new(),
            unmask: Vec::new(),
            privileged: self.isolation.privileged,
        };
        for option in &self.security_opt {
            let (key, value) =
                option.split_once('=').or_else(|| option.split_once(':')).unwrap_or((option, ""));
            match key {
                "no-new-privileges" => security.no_new_privileges = value != "false",
                "seccomp" if !value.is_empty() => security.seccomp = value.to_owned(),
                "mask" => security.mask.extend(value.split(':').map(str::to_owned)),
                "unmask" => security.unmask.extend(value.split(':').map(str::to_owned)),
                "label" if value == "disable" => {}
                _ => bail!(
                    "--security-opt {option:?} is not known; seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL and label=disable are"
                ),
            }
        }
        Ok(security)
    }

    fn ulimits(&self) -> anyhow::Result<Vec<ulimit::Ulimit>> {
        let mut list = Vec::new();
        for text in &self.process.ulimit {
            list.extend(ulimit::parse(text)?);
        }
        Ok(list)
    }

    fn stop_signal(&self, image: &RunConfig) -> anyhow::Result<i32> {
        match (&self.process.stop_signal, image.stop_signal.as_str()) {
            (Some(text), _) => Ok(signals::parse(text).context("--stop-signal")?),
            (None, "") => Ok(libc::SIGTERM),
            (None, text) => Ok(signals::parse(text).context("the image's stop signal")?),
        }
    }
}

/// `--restart` as the config has it; `removed`: the container goes when it ends.
pub(super) fn restart_policy(text: &str, removed: bool) -> anyhow::Result<String> {
    let good = match text.split_once(':') {
        Some(("on-failure", max)) => max.parse::<u32>().is_ok(),
        Some(_) => false,
        None => matches!(text, "no" | "never" | "on-failure" | "always" | "unless-stopped"),
    };
    if !good {
        bail!("--restart {text:?} is not known; use no, on-failure[:N], always or unless-stopped");
    }
    if removed && !matches!(text, "no" | "never") {
        bail!("--rm and --restart {text} contradict each other; leave one out");
    }
    Ok(if text == "never" { "no" } else { text }.to_owned())
}

/// Flags that exclude each other.
fn consistent(config: &Config, limited: bool) -> anyhow::Result<()> {
    let unit = &config.unit;
    if unit.cgroups == Cgroups::Disabled && limited {
        bail!("--cgroups disabled leaves no control group for limits; leave one of both out");
    }
    if unit.sdnotify == Some(SdNotify::Healthy) && config.health.is_none() {
        bail!("--sdnotify healthy requires a healthcheck to be set; see --health-cmd");
    }
    let notifies = config.process.env.iter().any(|e| e.starts_with("NOTIFY_SOCKET="));
    if unit.sdnotify == Some(SdNotify::Container) && notifies {
        bail!(
            "--sdnotify container and NOTIFY_SOCKET in the container's environment are two sockets for one notifier; leave one of both out"
        );
    }
    if config.log_driver.is_passthrough() && config.process.tty {
        bail!(
            "-t makes a terminal of the container's own, and the log driver '{}' passes the \
             caller's streams; leave one of both out",
            config.log_driver.word()
        );
    }
    if unit.pidfile.is_some() && unit.pidfile == unit.conmon_pidfile {
        bail!("--pidfile and --conmon-pidfile name the same file");
    }
    Ok(())
}

fn auto(mode: &str, options: &str) -> anyhow::Result<Asked> {
    let mut wanted = None;
    for option in options.split(',').filter(|o| !o.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "size" => {
                let size = value.parse().ok().filter(|size| *size > 0);
                wanted = Some(size.with_context(|| {
                    format!("--userns {mode:?}: {option:?} wants a number of ids")
                })?);
            }
            "uidmapping" | "gidmapping" => bail!(
                "--userns {mode:?}: {key} is not in this version: it would mix ids of others into the container's own range"
            ),
            _ => bail!("--userns {mode:?}: unknown option {key:?}; size is known"),
        }
    }
    Ok(Asked::Auto { size: wanted })
}

fn pairs(list: &[String]) -> BTreeMap<String, String> {
    list.iter()
        .map(|text| {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}
