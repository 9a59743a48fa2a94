//! Mesa's version, without loading it: since 24.2 its library carries it in its name.

use std::fs;
use std::path::Path;

/// Where distributions keep libraries; below the first also one folder for each architecture.
const DIRS: &[&str] =
    &["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib"];

/// The version of the Mesa that lies below `root`; `None` for an older one, which does not tell.
pub(super) fn version(root: &Path) -> Option<String> {
    let names = DIRS.iter().flat_map(|dir| fs::read_dir(root.join(dir)).into_iter().flatten());
    names.flatten().find_map(|entry| of_name(entry.file_name().to_str()?))
}

/// `libgallium-24.2.8-1ubuntu1.so` → `24.2.8`.
fn of_name(name: &str) -> Option<String> {
    let rest = name.strip_prefix("libgallium-")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let version = rest[..end].trim_end_matches('.');
    version.contains('.').then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::of_name;

    #[test]
    fn the_librarys_name_tells_the_version() {
        assert_eq!(of_name("libgallium-25.0.7.so").as_deref(), Some("25.0.7"));
        assert_eq!(of_name("libgallium-24.2.8-1.so").as_deref(), Some("24.2.8"));
        assert_eq!(of_name("libgallium.so"), None);
        assert_eq!(of_name("libgallium-git.so"), None);
    }
}
