//! Small real images, made by umoci from the static busybox.

use super::{Scratch, run};
use std::path::{Path, PathBuf};

/// An image layout in a directory.
#[derive(Debug)]
pub(crate) struct TestImage {
    dir: Scratch,
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

impl TestImage {
    /// busybox as `/bin/busybox` in the first layer, then one layer for each of `noises`: a file
    /// `/data/N` of that many bytes that do not compress. Its tag is `v1`.
    pub(crate) fn new(noises: &[usize]) -> Self {
        let image = TestImage { dir: Scratch::new() };
        let layout = image.layout();
        run("umoci", &["init", "--layout", layout.to_str().unwrap()]);
        let name = image.name();
        run("umoci", &["new", "--image", &name]);
        image.add(|root| {
            std::fs::create_dir(root.join("bin")).unwrap();
            std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
            std::os::unix::fs::symlink("busybox", root.join("bin/sh")).unwrap();
        });
        for (n, len) in noises.iter().enumerate() {
            image.add(|root| {
                std::fs::create_dir(root.join("data")).unwrap();
                std::fs::write(root.join(format!("data/{n}")), noise(n as u64 + 77, *len)).unwrap();
            });
        }
        run("umoci", &["config", "--image", &name, "--config.cmd", "/bin/sh"]);
        run("umoci", &["config", "--image", &name, "--config.env", "A=b"]);
        run("umoci", &["gc", "--layout", layout.to_str().unwrap()]);
        image
    }

    /// An image without any layer, `v1` like the other.
    pub(crate) fn without_layers() -> Self {
        let image = TestImage { dir: Scratch::new() };
        run("umoci", &["init", "--layout", image.layout().to_str().unwrap()]);
        run("umoci", &["new", "--image", &image.name()]);
        image
    }

    /// Changes its configuration: `--config.FIELD VALUE`.
    pub(crate) fn configure(&self, field: &str, value: &str) {
        run("umoci", &["config", "--image", &self.name(), &format!("--config.{field}"), value]);
    }

    /// Adds one layer with what `fill` puts into an empty directory.
    pub(crate) fn add(&self, fill: impl FnOnce(&Path)) {
        self.add_by(&[], fill);
    }

    /// [`TestImage::add`] with further flags of GNU tar.
    pub(crate) fn add_by(&self, flags: &[&str], fill: impl FnOnce(&Path)) {
        let root = Scratch::new();
        fill(root.path());
        let tar = self.dir.join("layer.tar");
        let (tar, root) = (tar.to_str().unwrap(), root.path().to_str().unwrap());
        let roots = ["--owner=0", "--group=0"];
        run("tar", &[&roots, flags, &["-C", root, "-cf", tar, "."]].concat());
        run("umoci", &["raw", "add-layer", "--image", &self.name(), tar]);
    }

    /// The layout's directory.
    pub(crate) fn layout(&self) -> PathBuf {
        self.dir.join("layout")
    }

    fn name(&self) -> String {
        format!("{}:v1", self.layout().display())
    }

    /// For skopeo and for bolt: `oci:DIR:v1`.
    pub(crate) fn source(&self) -> String {
        format!("oci:{}", self.name())
    }

    /// Digest and size of every layer as the manifest lists them.
    pub(crate) fn layers(&self) -> Vec<(String, u64)> {
        let text = run("skopeo", &["inspect", "--raw", &self.source()]);
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        let layer = |l: &serde_json::Value| {
            (l["digest"].as_str().unwrap().to_owned(), l["size"].as_u64().unwrap())
        };
        manifest["layers"].as_array().unwrap().iter().map(layer).collect()
    }
}
