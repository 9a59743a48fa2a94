//! `bolt surge run`: the command line that nvbind starts containers by (its `src/runtime.rs`).

use crate::settings::Settings;
use crate::ui::print;

/// Run a container as nvbind asks for it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Run(Box<RunArgs>),
}

/// Run a command in a new container, with nvbind's flags
#[derive(Debug, clap::Args)]
#[command(override_usage = "bolt surge run [OPTIONS] IMAGE [COMMAND]...")]
struct RunArgs {
    #[command(flatten)]
    run: super::run::Args,
    /// As --security-opt seccomp=FILE|unconfined
    #[arg(long, value_name = "FILE")]
    seccomp: Option<String>,
    /// Not applied in this version, which is told; unconfined is what holds
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,
    /// Adds no device in this version, which is told: --device does
    #[arg(long, visible_alias = "gpus", value_name = "GPUS")]
    gpu: Option<String>,
    /// Adds no device in this version, which is told: --device does
    #[arg(long, value_name = "VENDOR/CLASS=NAME")]
    cdi_device: Vec<String>,
    /// Not applied in this version, which is told
    #[arg(long, value_name = "NAME")]
    runtime_optimization: Option<String>,
    /// Not applied in this version, which is told
    #[arg(long, value_name = "LEVEL")]
    capsule_isolation: Option<String>,
}

/// Runs the verb; the exit code is the payload's.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let Verb::Run(mut args) = args.verb;
    for note in args.notes() {
        print::note(&note);
    }
    // NVCONTROL.md: `bolt surge run SERVICE -- CMD`.
    args.run.create_mut().drop_separator();
    if let Some(profile) = args.seccomp.take() {
        args.run.create_mut().security_opt.push(format!("seccomp={profile}"));
    }
    super::run::run(args.run, settings)
}

impl RunArgs {
    /// One line for each flag that has no effect.
    fn notes(&self) -> Vec<String> {
        let apparmor = self.apparmor.as_deref().filter(|profile| *profile != "unconfined");
        let gpu = self.gpu.as_deref().filter(|gpus| *gpus != "none");
        let flags = [
            ("apparmor", apparmor, "AppArmor profiles are not set in this version"),
            ("gpu", gpu, "it adds no device in this version, --device does"),
            (
                "runtime-optimization",
                self.runtime_optimization.as_deref(),
                "there is no such choice in this version",
            ),
            (
                "capsule-isolation",
                self.capsule_isolation.as_deref(),
                "a device is shared with whoever may open it",
            ),
        ];
        let told = |(flag, value, why): (&str, Option<&str>, &str)| {
            value.map(|value| format!("denied: --{flag} {value}: {why}"))
        };
        let devices = self.cdi_device.iter().map(|device| {
            let why = "CDI specifications are not read in this version; name the device's nodes by --device";
            ("cdi-device", Some(&**device), why)
        });
        flags.into_iter().chain(devices).filter_map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> RunArgs {
        let args = <Args as clap::Args>::augment_args(clap::Command::new("surge"));
        let matches = args.try_get_matches_from([&["surge"], words].concat()).unwrap();
        let Verb::Run(args) =
            <Args as clap::FromArgMatches>::from_arg_matches(&matches).unwrap().verb;
        *args
    }

    #[test]
    fn nvbinds_command_lines_are_understood() {
        let mut args = parse(&[
            "run",
            "--rm",
            "--device",
            "/dev/null:/dev/null",
            "--volume",
            "/a:/a:ro",
            "--seccomp",
            "f.json",
            "--apparmor",
            "p",
            "--env",
            "A=b",
            "--env",
            "NVIDIA_VISIBLE_DEVICES=all",
            "--gpu",
            "all",
            "--runtime-optimization",
            "gpu-passthrough",
            "image",
            "sh",
            "-c",
            "--gpu x",
        ]);
        let create = args.run.create_mut();
        assert!(create.rm);
        assert_eq!(
            (create.image(), create.command()),
            ("image", &["sh".into(), "-c".into(), "--gpu x".into()] as &[String])
        );
        let notes = args.notes();
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[1].starts_with("denied: --gpu all: it adds no device"), "{notes:?}");
    }

    #[test]
    fn what_holds_anyhow_is_not_told() {
        let args = parse(&["run", "--apparmor", "unconfined", "--gpu", "none", "image"]);
        assert_eq!(args.notes(), [""; 0]);
        let mut args =
            parse(&["run", "--capsule-isolation", "gpu-exclusive", "image", "--", "true", "--"]);
        assert_eq!(args.notes().len(), 1);
        args.run.create_mut().drop_separator();
        assert_eq!(args.run.create_mut().command(), ["true", "--"]);
    }
}
