//! `--device HOST[:CONTAINER[:PERMISSIONS]]` as podman reads it.

/// Why a device was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    /// Too many fields, or unknown permissions.
    #[error("--device {0:?}: write HOST[:CONTAINER[:rwm]]")]
    Form(String),
    /// A path.
    #[error("--device {0:?}: both paths must lie below /dev")]
    Path(String),
    /// Less than `rw`: only a device control group of root's could enforce it.
    #[error(
        "--device {0:?}: permissions cannot be narrowed, a device is opened with those of its file; leave them out"
    )]
    Permissions(String),
}

/// Host path and container path.
pub fn parse(text: &str) -> Result<(String, String), DeviceError> {
    let mut fields = text.split(':');
    let source = fields.next().unwrap_or_default();
    let (target, permissions) = match (fields.next(), fields.next()) {
        (None, _) => (source, "rwm"),
        (Some(permissions), None) if !permissions.starts_with('/') => (source, permissions),
        (Some(target), permissions) => (target, permissions.unwrap_or("rwm")),
    };
    if fields.next().is_some() || permissions.chars().any(|c| !"rwm".contains(c)) {
        return Err(DeviceError::Form(text.to_owned()));
    }
    let below = |path: &str| path.starts_with("/dev/") && !path.split('/').any(|p| p == "..");
    if !below(source) || !below(target) {
        return Err(DeviceError::Path(text.to_owned()));
    }
    if !permissions.contains('r') || !permissions.contains('w') {
        return Err(DeviceError::Permissions(text.to_owned()));
    }
    Ok((source.to_owned(), target.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_three_fields_below_dev() {
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(parse("/dev/dri"), pair("/dev/dri", "/dev/dri"));
        assert_eq!(parse("/dev/dri:rwm"), pair("/dev/dri", "/dev/dri"));
        assert_eq!(parse("/dev/a:/dev/b:rw"), pair("/dev/a", "/dev/b"));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for (text, want) in [
            ("/etc/passwd", DeviceError::Path("/etc/passwd".into())),
            ("/dev/../etc/x", DeviceError::Path("/dev/../etc/x".into())),
            ("/dev/a:x", DeviceError::Form("/dev/a:x".into())),
            ("/dev/a:/dev/b:rwm:z", DeviceError::Form("/dev/a:/dev/b:rwm:z".into())),
            ("/dev/a:r", DeviceError::Permissions("/dev/a:r".into())),
        ] {
            assert_eq!(parse(text), Err(want), "{text}");
        }
    }
}
