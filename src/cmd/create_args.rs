//! The flags that `run` and `create` share, and what they mean: flags → [`Config`].

use crate::cmd::create_args::parse::{memory, swap};
use crate::cmd::pull::Access;
use crate::container::config::{
    Config, Mount, Network, Origin, Process, Resources, Security, Userns, VERSION,
};
use crate::image::types::RunConfig;
use crate::settings::Settings;
use crate::spec::{caps, defaults, devices, env, mounts, signals, ulimit};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Flags of `run` and `create` (podman-run(1)).
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// Keep standard input open even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Remove the container when it exits
    #[arg(long)]
    pub rm: bool,
    /// Assign a name to the container
    #[arg(long)]
    pub name: Option<String>,
    /// If a container with the same name exists, replace it
    #[arg(long, requires = "name")]
    pub replace: bool,
    /// Set environment variables in the container
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Remove environment variables that the image sets
    #[arg(long, value_name = "NAME")]
    pub unsetenv: Vec<String>,
    /// Pass the whole environment of the caller
    #[arg(long)]
    pub env_host: bool,
    /// Bind mount a path, or mount a named volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    pub volume: Vec<String>,
    /// Attach a file system mount (type=bind, volume or tmpfs)
    #[arg(long, value_name = "type=TYPE,...")]
    pub mount: Vec<String>,
    /// Mount a tmpfs
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    pub tmpfs: Vec<String>,
    /// Working directory in the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// User name or uid, and group name or gid
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Add supplementary groups; keep-groups keeps the caller's
    #[arg(long, value_name = "GROUP|keep-groups")]
    pub group_add: Vec<String>,
    /// Overwrite the image's entry point; a JSON array or one word
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Host name of the container
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Set metadata
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// Add an annotation
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// Make the root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// Network: none, host, pasta[:OPTION,...] or slirp4netns[:OPTION,...]
    #[arg(long, visible_alias = "net", value_name = "MODE")]
    pub network: Option<String>,
    /// User namespace: host, keep-id[:uid=N,gid=N] or nomap
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// IPC namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// UTS namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// Cgroup namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// Add capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Security options: seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Give extended privileges: all capabilities, no filter, nothing masked
    #[arg(long)]
    pub privileged: bool,
    /// Resource limits
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// Add a host device
    #[arg(long, value_name = "HOST[:CONTAINER[:PERMISSIONS]]")]
    pub device: Vec<String>,
    /// Run a small init that forwards signals and reaps
    #[arg(long)]
    pub init: bool,
    /// Write the container id to a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Restart policy: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no")]
    pub restart: String,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds to wait before killing a container that is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = defaults::STOP_TIMEOUT)]
    pub stop_timeout: u32,
    /// Seconds after which the container is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub timeout: u32,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub shm_size: Option<u64>,
    /// Kernel parameters of the container's namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<String>,
    /// umask in the container
    #[arg(long, value_name = "MODE", default_value = "0022")]
    pub umask: String,
    /// Time zone in the container, bound to /etc/localtime; local is the host's
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Adjust how soon the OOM killer takes the container (-1000 to 1000)
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub oom_score_adj: Option<i32>,
    /// Memory limit
    #[arg(short, long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
    /// Memory and swap limit; -1 is unlimited
    #[arg(long, value_name = "SIZE", value_parser = swap, allow_hyphen_values = true)]
    pub memory_swap: Option<i64>,
    /// Number of CPUs
    #[arg(long, value_name = "N")]
    pub cpus: Option<f64>,
    /// CPU shares, relative weight
    #[arg(short = 'c', long, value_name = "N")]
    pub cpu_shares: Option<u64>,
    /// CPUs to run on
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// Limit of processes and threads; none unless given
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// Log driver: k8s-file or none
    #[arg(long, value_name = "DRIVER", default_value = "k8s-file")]
    pub log_driver: String,
    /// Log options: max-size=SIZE
    #[arg(long, value_name = "NAME=VALUE")]
    pub log_opt: Vec<String>,
    /// Pull policy: always, missing, never, newer
    #[arg(long, value_name = "POLICY", default_value = "missing")]
    pub pull: String,
    /// How registries are reached.
    #[command(flatten)]
    pub access: Access,
    /// Suppress progress
    #[arg(short, long)]
    pub quiet: bool,
    /// IMAGE is a directory with a root file system
    #[arg(long)]
    pub rootfs: bool,
    /// Show the plan as JSON and make no container; a missing image is pulled
    #[arg(long)]
    pub dry_run: bool,
    /// Image, or with --rootfs a directory
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Command and arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// Pure parsers of single values.
pub mod parse {
    use crate::ui::human;

    /// `64m`, `1g`, plain bytes.
    pub fn memory(text: &str) -> Result<u64, String> {
        human::parse_size(text).map_err(|e| e.to_string())
    }
    /// The same, or -1.
    pub fn swap(text: &str) -> Result<i64, String> {
        if text == "-1" {
            return Ok(-1);
        }
        memory(text).and_then(|n| i64::try_from(n).map_err(|e| e.to_string()))
    }
}

impl CreateArgs {
    /// What the flags mean for a container of this origin. `caller` is the caller's environment.
    pub fn config(
        &self,
        settings: &Settings,
        id: &str,
        name: &str,
        origin: Origin,
        image: &RunConfig,
        caller: &[(String, String)],
    ) -> anyhow::Result<Config> {
        let userns = self.userns(settings)?;
        let config = Config {
            version: VERSION,
            id: id.to_owned(),
            name: name.to_owned(),
            created: crate::container::time::now(),
            create_command: crate::settings::command_line(),
            origin,
            process: self.process(settings, userns, image, caller)?,
            hostname: self.hostname.clone(),
            labels: self.labels(image),
            annotations: pairs(&self.annotation),
            network: self.network()?,
            userns,
            share: self.share()?,
            mounts: self.mounts(image)?,
            devices: self.devices()?,
            read_only: self.read_only,
            shm_size: self.shm_size.unwrap_or(defaults::SHM_SIZE),
            sysctl: self.sysctls()?,
            security: self.security()?,
            resources: self.resources(),
            ulimits: self.ulimits()?,
            init: self.init,
            remove: self.rm,
            restart: self.restart()?,
            stop_signal: self.stop_signal(image)?,
            stop_timeout: self.stop_timeout,
            timeout: self.timeout,
            log_driver: self.log_driver()?,
            log_max_size: self.log_max_size()?,
            cidfile: self.cidfile()?,
            tz: self.tz()?,
            anonymous_volumes: Vec::new(),
        };
        crate::launch::limits(&config.resources).validate()?;
        Ok(config)
    }

    fn process(
        &self,
        settings: &Settings,
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
        let cmd = match (self.command.is_empty(), &self.entrypoint) {
            (false, _) => self.command.clone(),
            (true, None) => image.cmd.clone(),
            // An entry point of the user's own goes without the image's arguments.
            (true, Some(_)) => Vec::new(),
        };
        if entrypoint.is_empty() && cmd.is_empty() {
            bail!(
                "no command: {} has neither entry point nor command; name one after it",
                self.image
            );
        }
        let user = match (&self.user, userns) {
            (Some(user), _) => user.clone(),
            (None, Userns::KeepId { uid, gid }) => format!("{uid}:{gid}"),
            (None, _) => image.user.clone(),
        };
        if self.group_add.len() > 1 && self.group_add.iter().any(|g| g == "keep-groups") {
            bail!("--group-add keep-groups keeps all groups; it goes with no other --group-add");
        }
        let cwd = self.workdir.clone().unwrap_or_else(|| {
            if image.working_dir.is_empty() { "/".into() } else { image.working_dir.clone() }
        });
        if !cwd.starts_with('/') {
            bail!("--workdir {cwd:?} must be an absolute path");
        }
        let _ = settings;
        Ok(Process {
            entrypoint,
            cmd,
            env: self.env(image, caller)?,
            make_cwd: self.workdir.is_none(),
            cwd,
            user,
            groups: self.group_add.clone(),
            umask: u32::from_str_radix(&self.umask, 8)
                .ok()
                .filter(|m| *m <= 0o777)
                .with_context(|| format!("--umask {:?} is no octal mode up to 0777", self.umask))?,
            tty: self.tty,
            stdin: self.interactive,
            oom_score_adj: self.oom_score_adj,
        })
    }

    fn env(&self, image: &RunConfig, caller: &[(String, String)]) -> anyhow::Result<Vec<String>> {
        let mut all = env::Env::default();
        all.set("PATH", defaults::PATH);
        if self.tty {
            all.set("TERM", "xterm");
        }
        all.set("container", "bolt");
        for (key, value) in caller {
            if self.env_host || env::PROXIES.contains(&key.as_str()) {
                all.set(key, value);
            }
        }
        for pair in &image.env {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.set(key, value);
        }
        for name in &self.unsetenv {
            all.unset(name);
        }
        for file in &self.env_file {
            all.add_file(file, caller)?;
        }
        for word in &self.env {
            all.add(word, caller)?;
        }
        Ok(all.into_pairs()?)
    }

    fn labels(&self, image: &RunConfig) -> BTreeMap<String, String> {
        let mut labels = image.labels.clone();
        labels.extend(pairs(&self.label));
        labels
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

    /// `--userns` as it was meant.
    pub fn userns(&self, settings: &Settings) -> anyhow::Result<Userns> {
        let Some(mode) = &self.userns else { return Ok(Userns::Host) };
        let (name, options) = mode.split_once(':').unwrap_or((mode, ""));
        match (name, options) {
            ("host" | "", "") => Ok(Userns::Host),
            ("nomap", "") => Ok(Userns::NoMap),
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
                Ok(Userns::KeepId { uid, gid })
            }
            _ => bail!("--userns {mode:?} is not known; use host, keep-id[:uid=N,gid=N] or nomap"),
        }
    }

    fn share(&self) -> anyhow::Result<Vec<String>> {
        let mut shared = Vec::new();
        for (name, value) in [("ipc", &self.ipc), ("uts", &self.uts), ("cgroup", &self.cgroupns)] {
            match value.as_deref() {
                None | Some("private" | "shareable" | "") => {}
                Some("host") => shared.push(name.to_owned()),
                Some(other) => bail!("--{name} {other:?} is not known; use private or host"),
            }
        }
        Ok(shared)
    }

    fn mounts(&self, image: &RunConfig) -> anyhow::Result<Vec<Mount>> {
        let cwd =
            std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_else(|_| "/".into());
        let mut list = Vec::new();
        for text in &self.volume {
            list.push(mounts::volume(text, &cwd)?);
        }
        for text in &self.mount {
            list.push(mounts::mount(text, &cwd)?);
        }
        for text in &self.tmpfs {
            list.push(mounts::tmpfs(text)?);
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
        self.cidfile.as_ref().map(std::path::absolute).transpose().context("--cidfile")
    }

    /// Refused here where the host does not know it, so that no start falls back to UTC.
    fn tz(&self) -> anyhow::Result<Option<String>> {
        if let Some(zone) = &self.tz {
            crate::launch::zone_file(zone)?;
        }
        Ok(self.tz.clone())
    }

    fn devices(&self) -> anyhow::Result<Vec<(String, String)>> {
        Ok(self.device.iter().map(|text| devices::parse(text)).collect::<Result<_, _>>()?)
    }

    fn sysctls(&self) -> anyhow::Result<BTreeMap<String, String>> {
        self.sysctl
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
        let base =
            if self.privileged { caps::CapSet::ALL } else { caps::CapSet::container_default() };
        let kept = base.adjusted(&self.cap_add, &self.cap_drop)?;
        let mut security = Security {
            caps: kept.names().map(str::to_owned).collect(),
            no_new_privileges: false,
            seccomp: "default".into(),
            mask: Vec::new(),
            unmask: Vec::new(),
            privileged: self.privileged,
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

    fn resources(&self) -> Resources {
        Resources {
            memory: self.memory,
            memory_swap: self.memory_swap,
            cpus: self.cpus,
            cpu_shares: self.cpu_shares,
            cpuset_cpus: self.cpuset_cpus.clone(),
            pids: self.pids_limit,
        }
    }

    fn ulimits(&self) -> anyhow::Result<Vec<ulimit::Ulimit>> {
        let mut list = Vec::new();
        for text in &self.ulimit {
            list.extend(ulimit::parse(text)?);
        }
        Ok(list)
    }

    fn restart(&self) -> anyhow::Result<String> {
        let good = match self.restart.split_once(':') {
            Some(("on-failure", max)) => max.parse::<u32>().is_ok(),
            Some(_) => false,
            None => matches!(
                self.restart.as_str(),
                "no" | "never" | "on-failure" | "always" | "unless-stopped"
            ),
        };
        if !good {
            bail!(
                "--restart {:?} is not known; use no, on-failure[:N], always or unless-stopped",
                self.restart
            );
        }
        if self.rm && !matches!(self.restart.as_str(), "no" | "never") {
            bail!("--rm and --restart {} contradict each other; leave one out", self.restart);
        }
        Ok(if self.restart == "never" { "no".into() } else { self.restart.clone() })
    }

    fn stop_signal(&self, image: &RunConfig) -> anyhow::Result<i32> {
        match (&self.stop_signal, image.stop_signal.as_str()) {
            (Some(text), _) => Ok(signals::parse(text).context("--stop-signal")?),
            (None, "") => Ok(libc::SIGTERM),
            (None, text) => Ok(signals::parse(text).context("the image's stop signal")?),
        }
    }

    fn log_driver(&self) -> anyhow::Result<String> {
        match self.log_driver.as_str() {
            "k8s-file" | "json-file" => Ok("k8s-file".into()),
            "none" => Ok("none".into()),
            other => bail!("--log-driver {other:?} is not supported; k8s-file and none are"),
        }
    }

    fn log_max_size(&self) -> anyhow::Result<u64> {
        let mut size = 0;
        for option in &self.log_opt {
            match option.split_once('=') {
                Some(("max-size", value)) => {
                    size = memory(value)
                        .map_err(anyhow::Error::msg)
                        .with_context(|| format!("--log-opt {option:?}"))?
                }
                _ => bail!("--log-opt {option:?} is not known; max-size=SIZE is"),
            }
        }
        Ok(size)
    }
}

fn pairs(list: &[String]) -> BTreeMap<String, String> {
    list.iter()
        .map(|text| {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}
