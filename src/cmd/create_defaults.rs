//! What containers.conf(5) adds to the flags of `run` and `create`: a flag that was typed goes
//! before it.

use crate::cmd::create_args::{CreateArgs, log};
use crate::container::log_driver::LogDriver;
use crate::settings::containers_conf::Defaults;
use crate::spec::ulimit;
use crate::ui::human;
use anyhow::Context;

impl CreateArgs {
    /// Fills in what was not typed. Errors name the key whose value makes no sense.
    pub fn complete(&mut self, mut defaults: Defaults) -> anyhow::Result<()> {
        self.limits.pids_limit = self.limits.pids_limit.or(defaults.pids_limit);
        if let (None, Some(size)) = (self.isolation.shm_size, &defaults.shm_size) {
            let bytes = human::parse_size(size);
            self.isolation.shm_size =
                Some(bytes.with_context(|| format!("containers.conf: shm_size {size:?}"))?);
        }
        let seconds = |n: i64| {
            u32::try_from(n).with_context(|| {
                format!("containers.conf: stop_timeout {n} is no number of seconds")
            })
        };
        let stop_timeout = defaults.stop_timeout.map(seconds).transpose()?;
        self.process.stop_timeout = self.process.stop_timeout.or(stop_timeout);
        self.note(&defaults);
        or(&mut self.process.umask, &mut defaults.umask);
        or(&mut self.process.tz, &mut defaults.tz);
        or(&mut self.userns, &mut defaults.userns);
        self.process.init = self.process.init.or(defaults.init);
        self.read_only = self.read_only.or(defaults.read_only);
        self.process.env_host = self.process.env_host.or(defaults.env_host);
        let has = |list: &[String], key: &str| list.iter().any(|text| names(text, key));
        if let Some(profile) = &defaults.seccomp_profile
            && !has(&self.security_opt, "seccomp")
        {
            self.security_opt.push(format!("seccomp={profile}"));
        }
        if let (None, Some(driver)) = (self.log.driver, &defaults.log_driver) {
            let known = log::driver(driver).map_err(anyhow::Error::msg);
            let shown = || format!("containers.conf: log_driver {driver:?}");
            self.log.driver = Some(known.with_context(shown)?);
        }
        let driver = self.log.driver();
        if let Some(size) = defaults.log_size_max.filter(|size| *size > 0 && driver.has_file())
            && !has(&self.log.options, "max-size")
        {
            self.log.options.push(format!("max-size={size}"));
        }
        if let Some(tag) = defaults.log_tag.take_if(|_| driver == LogDriver::Journald)
            && !has(&self.log.options, "tag")
        {
            self.log.options.push(format!("tag={tag}"));
        }
        let mut ulimits = defaults.ulimits.take().unwrap_or_default();
        for text in &ulimits {
            ulimit::parse(text).context("containers.conf: default_ulimits")?;
        }
        ulimits.retain(|text| !has(&self.process.ulimit, text.split('=').next().unwrap_or(text)));
        before(&mut self.process.ulimit, ulimits);
        before(&mut self.unit.annotation, defaults.annotations.take().unwrap_or_default());
        before(&mut self.device, defaults.devices.take().unwrap_or_default());
        self.defaults = defaults;
        Ok(())
    }

    /// Values of the file that are looked at where a flag would have given them.
    fn note(&mut self, defaults: &Defaults) {
        let one = |typed: &Option<String>, text: &Option<String>| {
            text.clone().filter(|_| typed.is_none()).into_iter().collect()
        };
        let many = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        for (key, flag, texts) in [
            ("umask", "--umask", one(&self.process.umask, &defaults.umask)),
            ("tz", "--tz", one(&self.process.tz, &defaults.tz)),
            ("userns", "--userns", one(&self.userns, &defaults.userns)),
            ("env", "--env", many(&defaults.env)),
            ("annotations", "--annotation", many(&defaults.annotations)),
            ("devices", "--device", many(&defaults.devices)),
            ("volumes", "--volume", many(&defaults.volumes)),
        ] {
            let begin = |text: String| (key, format!("{flag} {text:?}"));
            self.from_conf.extend(texts.into_iter().map(begin));
        }
    }

    /// Names containers.conf in an error about a flag that nobody typed.
    pub fn blame(&self, error: anyhow::Error) -> anyhow::Error {
        let said = error.to_string();
        match self.from_conf.iter().find(|(_, begin)| said.starts_with(begin)) {
            Some((key, _)) => error.context(format!("containers.conf: {key}")),
            None => error,
        }
    }
}

fn or(flag: &mut Option<String>, default: &mut Option<String>) {
    if flag.is_none() {
        *flag = default.take();
    }
}

/// What is typed comes last and wins.
fn before(flags: &mut Vec<String>, mut defaults: Vec<String>) {
    defaults.append(flags);
    *flags = defaults;
}

/// Whether `KEY=VALUE`, or `KEY:VALUE`, is about this key.
fn names(text: &str, key: &str) -> bool {
    text.split(['=', ':']).next().is_some_and(|word| word.eq_ignore_ascii_case(key))
}
