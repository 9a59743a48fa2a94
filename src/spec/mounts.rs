//! `-v`, `--mount` and `--tmpfs` as podman reads them.

use crate::container::config::{Mount, MountKind};

/// Why a mount was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MountError {
    /// No target, or too many fields.
    #[error("{flag} {text:?}: write {form}")]
    Form {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        text: String,
        /// What is wanted.
        form: &'static str,
    },
    /// The target.
    #[error(
        "{flag} {text:?}: the path in the container, {target:?}, must be absolute and without '..'"
    )]
    Target {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        text: String,
        /// The path.
        target: String,
    },
    /// The root itself.
    #[error("{flag} {text:?}: nothing can be mounted over the container's root '/' itself")]
    Root {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        text: String,
    },
    /// An image wants a volume where the kernel's own files are.
    #[error(
        "{flag} {target:?} lies in {kernel}, which shows files of the kernel: a volume there would be filled with copies of them; use an image without it"
    )]
    Kernel {
        /// The flag.
        flag: &'static str,
        /// The path.
        target: String,
        /// The file system.
        kernel: &'static str,
    },
    /// Two options that cannot both be.
    #[error("{flag} {text:?}: {one:?} and {other:?} exclude each other")]
    Conflict {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        text: String,
        /// One option.
        one: &'static str,
        /// Its opposite.
        other: &'static str,
    },
    /// An option.
    #[error("{flag} {text:?}: unknown option {option:?}")]
    Option {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        text: String,
        /// The option.
        option: String,
    },
    /// A tmpfs over what makes a container one.
    #[error(
        "--tmpfs {text:?}: every container has a file system of its own at {target}, which a program needs; choose a directory below it"
    )]
    Own {
        /// What was typed.
        text: String,
        /// The directory.
        target: String,
    },
    /// A volume name.
    #[error(
        "{flag} {text:?}: {name:?} is neither an absolute path nor a volume name ([a-zA-Z0-9][a-zA-Z0-9_.-]*)"
    )]
    Volume {
        /// The flag.
        flag: &'static str,
        /// What was typed.
        text: String,
        /// The name.
        name: String,
    },
    /// Not in this version.
    #[error("--mount {text:?}: type {kind:?} is not supported; bind, volume and tmpfs are")]
    Kind {
        /// What was typed.
        text: String,
        /// The type.
        kind: String,
    },
}

/// What every container has a file system of its own at.
const OWN: &[&str] = &["/dev", "/proc", "/sys"];

const VOLUME_OPTIONS: &[&str] = &[
    "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "bind", "rbind", "private",
    "rprivate", "slave", "rslave", "shared", "rshared", "z", "Z", "copy", "nocopy",
];

/// `-v [SOURCE:]TARGET[:OPTIONS]`. A relative source that starts with `.` is made absolute
/// below `cwd`.
pub fn volume(text: &str, cwd: &str) -> Result<Mount, MountError> {
    const FLAG: &str = "--volume";
    let form = || MountError::Form {
        flag: FLAG,
        text: text.to_owned(),
        form: "[SOURCE:]TARGET[:OPTIONS]",
    };
    let fields: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match fields.as_slice() {
        [target] => ("", *target, ""),
        [source, target] if target.starts_with('/') => (*source, *target, ""),
        [target, options] => ("", *target, *options),
        [source, target, options] => (*source, *target, *options),
        _ => return Err(form()),
    };
    let options: Vec<String> =
        options.split(',').filter(|o| !o.is_empty()).map(str::to_owned).collect();
    if let Some(bad) = options.iter().find(|o| !VOLUME_OPTIONS.contains(&o.as_str())) {
        return Err(MountError::Option { flag: FLAG, text: text.to_owned(), option: bad.clone() });
    }
    build(FLAG, text, source, target, options, cwd)
}

/// A volume that the image declares: a path and nothing else. Read as `-v` it could name a
/// directory of the host and have it bound.
pub fn image_volume(target: &str) -> Result<Mount, MountError> {
    const FLAG: &str = "the image's volume";
    let mount = build(FLAG, target, "", target, Vec::new(), "/")?;
    let below = |top: &str| {
        mount.target.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match ["/proc", "/sys", "/dev"].into_iter().find(|top| below(top)) {
        // Memory to share is no file of the kernel.
        Some(kernel) if !below("/dev/shm") => {
            Err(MountError::Kernel { flag: FLAG, target: mount.target, kernel })
        }
        _ => Ok(mount),
    }
}

/// Options of which a mount has one or the other.
const OPPOSITES: &[(&str, &str)] = &[
    ("ro", "rw"),
    ("nosuid", "suid"),
    ("nodev", "dev"),
    ("noexec", "exec"),
    ("nocopy", "copy"),
    ("notmpcopyup", "tmpcopyup"),
];

fn check_options(flag: &'static str, text: &str, options: &[String]) -> Result<(), MountError> {
    let has = |option: &str| options.iter().any(|o| o == option);
    match OPPOSITES.iter().find(|(one, other)| has(one) && has(other)) {
        Some(&(one, other)) => {
            Err(MountError::Conflict { flag, text: text.to_owned(), one, other })
        }
        None => Ok(()),
    }
}

fn build(
    flag: &'static str,
    text: &str,
    source: &str,
    target: &str,
    options: Vec<String>,
    cwd: &str,
) -> Result<Mount, MountError> {
    let target = check_target(flag, text, target)?;
    check_options(flag, text, &options)?;
    let source =
        if source.starts_with("./") || source.starts_with("../") || source == "." || source == ".."
        {
            format!("{cwd}/{source}")
        } else {
            source.to_owned()
        };
    let kind = if source.starts_with('/') { MountKind::Bind } else { MountKind::Volume };
    if kind == MountKind::Volume && !source.is_empty() && !is_volume_name(&source) {
        return Err(MountError::Volume { flag, text: text.to_owned(), name: source });
    }
    Ok(Mount { kind, source, target, options })
}

fn check_target(flag: &'static str, text: &str, target: &str) -> Result<String, MountError> {
    let bad = || MountError::Target { flag, text: text.to_owned(), target: target.to_owned() };
    if !target.starts_with('/') || target.split('/').any(|p| p == "..") || target.contains('\0') {
        return Err(bad());
    }
    let clean: Vec<&str> = target.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if clean.is_empty() {
        return Err(MountError::Root { flag, text: text.to_owned() });
    }
    Ok(format!("/{}", clean.join("/")))
}

/// Podman's rule for names of volumes and containers.
pub fn is_volume_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// `--tmpfs TARGET[:OPTIONS]` with mount(8) options.
pub fn tmpfs(text: &str) -> Result<Mount, MountError> {
    const FLAG: &str = "--tmpfs";
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let options: Vec<String> =
        options.split(',').filter(|o| !o.is_empty()).map(str::to_owned).collect();
    if let Some(bad) = options.iter().find(|o| !is_tmpfs_option(o)) {
        return Err(MountError::Option { flag: FLAG, text: text.to_owned(), option: bad.clone() });
    }
    check_options(FLAG, text, &options)?;
    let target = check_target(FLAG, text, target)?;
    if OWN.contains(&target.as_str()) {
        return Err(MountError::Own { text: text.to_owned(), target });
    }
    Ok(Mount { kind: MountKind::Tmpfs, source: String::new(), target, options })
}

fn is_tmpfs_option(option: &str) -> bool {
    matches!(
        option,
        "ro" | "rw"
            | "nosuid"
            | "suid"
            | "nodev"
            | "dev"
            | "noexec"
            | "exec"
            | "tmpcopyup"
            | "notmpcopyup"
            // What every mount of a container's own is.
            | "private"
            | "rprivate"
    ) || option.split_once('=').is_some_and(|(k, v)| {
        matches!(k, "size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks") && !v.is_empty()
    })
}

/// `--mount type=bind|volume|tmpfs,source=…,target=…[,option…]`.
pub fn mount(text: &str, cwd: &str) -> Result<Mount, MountError> {
    const FLAG: &str = "--mount";
    let (mut kind, mut source, mut target) = ("volume".to_owned(), String::new(), String::new());
    let mut options = Vec::new();
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        match key {
            "type" => kind = value.to_owned(),
            "source" | "src" => source = value.to_owned(),
            "target" | "destination" | "dst" => target = value.to_owned(),
            "ro" | "readonly" => {
                options.push(if value == "false" { "rw" } else { "ro" }.to_owned())
            }
            "rw" => options.push(if value == "false" { "ro" } else { "rw" }.to_owned()),
            "bind-propagation" => options.push(value.to_owned()),
            "tmpfs-size" | "size" => options.push(format!("size={value}")),
            "tmpfs-mode" | "mode" => options.push(format!("mode={value}")),
            _ if is_tmpfs_option(field) || VOLUME_OPTIONS.contains(&field) => {
                options.push(field.to_owned())
            }
            _ => {
                return Err(MountError::Option {
                    flag: FLAG,
                    text: text.to_owned(),
                    option: field.to_owned(),
                });
            }
        }
    }
    if target.is_empty() {
        return Err(MountError::Form {
            flag: FLAG,
            text: text.to_owned(),
            form: "type=bind|volume|tmpfs,source=SOURCE,target=TARGET",
        });
    }
    match kind.as_str() {
        "tmpfs" => {
            let joined = format!("{target}:{}", options.join(","));
            tmpfs(&joined)
        }
        "bind" if source.is_empty() => Err(MountError::Form {
            flag: FLAG,
            text: text.to_owned(),
            form: "type=bind,source=PATH,target=PATH",
        }),
        "bind" => {
            let source = if source.starts_with('/') { source } else { format!("{cwd}/{source}") };
            build(FLAG, text, &source, &target, options, cwd)
        }
        "volume" => {
            if source.contains('/') {
                return Err(MountError::Volume { flag: FLAG, text: text.to_owned(), name: source });
            }
            build(FLAG, text, &source, &target, options, cwd)
        }
        other => Err(MountError::Kind { text: text.to_owned(), kind: other.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, target: &str, options: &[&str]) -> Mount {
        let kind = if source.starts_with('/') { MountKind::Bind } else { MountKind::Volume };
        Mount {
            kind,
            source: source.into(),
            target: target.into(),
            options: options.iter().map(|o| (*o).into()).collect(),
        }
    }

    #[test]
    fn volumes_take_one_to_three_fields() {
        assert_eq!(volume("/a:/b", "/w"), Ok(bind("/a", "/b", &[])));
        assert_eq!(volume("/a:/b:ro,noexec", "/w"), Ok(bind("/a", "/b", &["ro", "noexec"])));
        assert_eq!(volume("saves:/b", "/w"), Ok(bind("saves", "/b", &[])));
        assert_eq!(volume("/b", "/w"), Ok(bind("", "/b", &[])));
        assert_eq!(volume("./x:/b/", "/w"), Ok(bind("/w/./x", "/b", &[])));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for text in ["", "/a:b", "/a:/b:wat", "a:b:c:d", "/a:/b/../c", "-x:/b", "/a:/"] {
            assert!(volume(text, "/w").is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("/a:/", "the container's root '/' itself"),
            ("/a:b/c:ro", "must be absolute"),
            ("/a:/b:ro,rw", r#""ro" and "rw" exclude each other"#),
            ("/a:/b:z,exec,noexec", r#""noexec" and "exec" exclude each other"#),
        ] {
            let error = volume(text, "/w").unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(tmpfs("/t:ro,rw").is_err() && mount("target=/t,ro,rw", "/w").is_err());
    }

    #[test]
    fn an_image_has_no_volume_among_the_kernels_files() {
        for bad in ["/proc", "/proc/1/fd", "//proc/./x", "/sys/fs", "/dev", "/dev/x"] {
            let error = image_volume(bad).unwrap_err().to_string();
            assert!(error.starts_with("the image's volume \"/"), "{error}");
            assert!(error.contains("files of the kernel"), "{error}");
        }
        for good in ["/process", "/system", "/dev/shm", "/dev/shm/x", "/devices", "/a/proc"] {
            image_volume(good).unwrap();
        }
    }

    #[test]
    fn an_image_cannot_bind_a_directory_of_the_host() {
        assert_eq!(image_volume("/data"), Ok(bind("", "/data", &[])));
        let odd = image_volume("/home/u/.ssh:/data").unwrap();
        assert_eq!((odd.kind, odd.source.as_str()), (MountKind::Volume, ""));
        assert_eq!(odd.target, "/home/u/.ssh:/data");
        assert!(image_volume("host:/x").is_err() && image_volume("/a/../b").is_err());
    }

    #[test]
    fn mount_takes_the_long_form() {
        assert_eq!(mount("type=bind,src=/a,dst=/b,ro", "/w"), Ok(bind("/a", "/b", &["ro"])));
        assert_eq!(mount("type=tmpfs,target=/t,tmpfs-size=1m", "/w").unwrap().options, ["size=1m"]);
        assert!(mount("type=image,source=x,target=/t", "/w").is_err());
        assert!(mount("type=bind,target=/t", "/w").is_err());
    }
}
