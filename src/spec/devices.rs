//! `--device HOST[:CONTAINER[:PERMISSIONS]]` as podman reads it.

/// What a GPU is given by, where a word for the whole of it is not known.
pub const NODES: &str =
    "give the device nodes instead: --device /dev/dri, or --device /dev/nvidia0 and its like";

/// Why a device was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// Too many fields.
    #[error("--device {0:?}: write HOST[:CONTAINER[:PERMISSIONS]]")]
    Form(String),
    /// A path.
    #[error("--device {0:?}: both paths must lie below /dev")]
    Path(String),
    /// The Container Device Interface's form, VENDOR/CLASS=NAME.
    #[error("--device {0:?}: CDI devices are not in this version; {nodes}", nodes = NODES)]
    Cdi(String),
    /// Letters.
    #[error("--device {0:?}: permissions are of r, w and m, each at most once, not {1:?}")]
    Permissions(String, String),
}

/// What `--device` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Path on the host.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Of `rwm`: read, write, make a node of it.
    pub permissions: String,
}

impl Device {
    /// Whether less than reading and writing was asked for. `m` makes no difference: nodes take
    /// CAP_MKNOD, which has to be added, and in a user namespace nobody can make any.
    pub fn is_narrow(&self) -> bool {
        !(self.permissions.contains('r') && self.permissions.contains('w'))
    }
}

/// One flag's word.
pub fn parse(text: &str) -> Result<Device, DeviceError> {
    let fields: Vec<&str> = text.split(':').collect();
    let (source, target, permissions) = match fields[..] {
        [source] => (source, source, "rwm"),
        [source, target] if target.starts_with('/') => (source, target, "rwm"),
        [source, permissions] => (source, source, permissions),
        [source, target, permissions] => (source, target, permissions),
        _ => return Err(DeviceError::Form(text.to_owned())),
    };
    let once = |c: char| "rwm".contains(c) && permissions.matches(c).count() == 1;
    if permissions.is_empty() || !permissions.chars().all(once) {
        return Err(DeviceError::Permissions(text.to_owned(), permissions.to_owned()));
    }
    if !text.starts_with('/') && text.contains('=') {
        return Err(DeviceError::Cdi(text.to_owned()));
    }
    let below = |path: &str| path.starts_with("/dev/") && !path.split('/').any(|p| p == "..");
    if !below(source) || !below(target) {
        return Err(DeviceError::Path(text.to_owned()));
    }
    Ok(Device {
        source: source.to_owned(),
        target: target.to_owned(),
        permissions: permissions.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_three_fields_below_dev() {
        for (text, source, target, permissions, narrow) in [
            ("/dev/dri", "/dev/dri", "/dev/dri", "rwm", false),
            ("/dev/dri:rwm", "/dev/dri", "/dev/dri", "rwm", false),
            ("/dev/a:/dev/b", "/dev/a", "/dev/b", "rwm", false),
            ("/dev/a:/dev/b:wr", "/dev/a", "/dev/b", "wr", false),
            ("/dev/a:r", "/dev/a", "/dev/a", "r", true),
            ("/dev/a:/dev/b:wm", "/dev/a", "/dev/b", "wm", true),
            ("/dev/a:/dev/b:m", "/dev/a", "/dev/b", "m", true),
        ] {
            let device = parse(text).unwrap();
            let got = (&*device.source, &*device.target, &*device.permissions, device.is_narrow());
            assert_eq!(got, (source, target, permissions, narrow), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let letters = |text: &str, bad: &str| DeviceError::Permissions(text.into(), bad.into());
        for (text, want) in [
            ("/etc/passwd", DeviceError::Path("/etc/passwd".into())),
            ("nvidia.com/gpu=all", DeviceError::Cdi("nvidia.com/gpu=all".into())),
            ("/dev/../etc/x", DeviceError::Path("/dev/../etc/x".into())),
            ("/dev/a:/dev/b:rwm:z", DeviceError::Form("/dev/a:/dev/b:rwm:z".into())),
            ("/dev/a:x", letters("/dev/a:x", "x")),
            ("/dev/a:/dev/b:rwx", letters("/dev/a:/dev/b:rwx", "rwx")),
            ("/dev/a:/dev/b:rr", letters("/dev/a:/dev/b:rr", "rr")),
            ("/dev/a:/dev/b:", letters("/dev/a:/dev/b:", "")),
            ("/dev/a:", letters("/dev/a:", "")),
        ] {
            assert_eq!(parse(text), Err(want), "{text}");
        }
    }
}
