//! Images made for the benches, as OCI layouts; kept beside the bench's directory for the next run.

use super::parts::Parts;
use super::{fail, run};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes one layer's files into a directory.
type Layer = Box<dyn Fn(&Path)>;

/// An OCI layout and the trees its layers were made of.
pub(crate) struct Image {
    /// `oci:LAYOUT:v1`.
    pub(crate) name: String,
    /// The layout's directory.
    pub(crate) layout: PathBuf,
    /// 00, 01, ...: lowest first. Only of images made with `keep`.
    pub(crate) trees: PathBuf,
}

/// Ten layers of a few files, with the probe and a shell.
pub(crate) fn ten_layers(parts: &Parts) -> Image {
    let mut layers: Vec<Layer> = vec![Box::new(base)];
    for n in 1..10 {
        layers.push(Box::new(move |root| {
            let dir = make_dir(&root.join("data"));
            for file in 0..4 {
                write(&dir.join(format!("{n}-{file}")), &words(n * 10 + file, 2048));
            }
        }));
    }
    build(parts, "ten", &layers)
}

/// One layer: what a busybox image is.
pub(crate) fn one_layer(parts: &Parts) -> Image {
    build(parts, "one", &[Box::new(base)])
}

/// Twelve layers, two gigabytes unpacked.
pub(crate) fn two_gigabytes(parts: &Parts) -> Image {
    let mut layers: Vec<Layer> = vec![Box::new(base)];
    for n in 1..12u64 {
        layers.push(Box::new(move |root| {
            let dir = make_dir(&root.join(format!("game/{n}")));
            let block = words(n, 4 << 20);
            for file in 0..44 {
                write(&dir.join(format!("pack-{file}")), &block);
            }
        }));
    }
    build(parts, "big", &layers)
}

/// Twelve layers, about 430 MB compressed, a third of it in one of them, 65,000 files.
pub(crate) fn assorted(parts: &Parts) -> Image {
    let mut layers: Vec<Layer> = vec![Box::new(base)];
    for n in 1..12u64 {
        let (files, big) = if n == 4 { (17_000, 30) } else { (4_800, 6) };
        layers.push(Box::new(move |root| {
            for file in 0..files {
                let dir = root.join(format!("usr/lib/{n}/{}", file / 200));
                if file % 200 == 0 {
                    make_dir(&dir);
                }
                write(
                    &dir.join(format!("f{file}")),
                    &words(n << 32 | file, 1000 + file as usize * 7 % 20_000),
                );
            }
            let dir = make_dir(&root.join(format!("usr/bin-{n}")));
            for file in 0..big {
                write(&dir.join(format!("b{file}")), &words(n << 40 | file, 5 << 20));
            }
        }));
    }
    build(parts, "assorted", &layers)
}

/// A small layer with the probe, and `count` layers of `bytes` that do not compress.
pub(crate) fn noise(parts: &Parts, name: &str, count: u64, bytes: usize) -> Image {
    let mut layers: Vec<Layer> = vec![Box::new(base)];
    for n in 0..count {
        layers.push(Box::new(move |root| {
            let mut state = n * 2 + 1;
            let mut content = Vec::with_capacity(bytes + 8);
            while content.len() < bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                content.extend_from_slice(&state.to_le_bytes());
            }
            content.truncate(bytes);
            write(&make_dir(&root.join("noise")).join(format!("{n}")), &content);
        }));
    }
    build(parts, name, &layers)
}

/// One layer of 40,000 files of a kilobyte.
pub(crate) fn small_files(parts: &Parts) -> Image {
    build(
        parts,
        "small",
        &[
            Box::new(base),
            Box::new(|root| {
                for file in 0..40_000u64 {
                    let dir = root.join(format!("share/{}", file / 250));
                    if file % 250 == 0 {
                        make_dir(&dir);
                    }
                    write(&dir.join(format!("f{file}")), &words(file, 1024));
                }
            }),
        ],
    )
}

fn build(parts: &Parts, name: &str, layers: &[Layer]) -> Image {
    let base = parts.dir.parent().unwrap_or(Path::new("/var/tmp")).join("bolt-bench-images");
    let dir = base.join(name);
    let (layout, trees) = (dir.join("layout"), dir.join("trees"));
    let tag = format!("{}:v1", layout.display());
    let image = Image { name: format!("oci:{tag}"), layout: layout.clone(), trees: trees.clone() };
    // Made of one of our own programs: a new probe makes a new image.
    let stamp = dir.join("complete");
    let now = fs::read(&parts.probe).unwrap_or_default();
    if fs::read(&stamp).is_ok_and(|then| then == now) {
        return image;
    }
    let _ = fs::remove_dir_all(&dir);
    eprintln!("bench: making image {name}");
    make_dir(&dir);
    run("umoci", &["init", "--layout", &layout.display().to_string()]);
    run("umoci", &["new", "--image", &tag]);
    let tar = dir.join("layer.tar").display().to_string();
    for (number, fill) in layers.iter().enumerate() {
        let tree = make_dir(&trees.join(format!("{number:02}")));
        fill(&tree);
        if number == 0 {
            copy_program(&parts.probe, &tree.join("probe"));
        }
        let from = tree.display().to_string();
        run("tar", &["--owner=0", "--group=0", "--sort=name", "-C", &from, "-cf", &tar, "."]);
        run("umoci", &["raw", "add-layer", "--image", &tag, &tar]);
        // Only the small image's trees are mounted by the yardstick.
        if name != "ten" {
            let _ = fs::remove_dir_all(&tree);
        }
    }
    run(
        "umoci",
        &["config", "--image", &tag, "--config.cmd", "/bin/sh", "--config.env", "PATH=/bin"],
    );
    let _ = fs::remove_file(&tar);
    run("chmod", &["-R", "a+rX", &base.display().to_string()]);
    run("sync", &[]);
    write(&stamp, &now);
    image
}

fn base(root: &Path) {
    for dir in ["etc", "proc", "sys", "dev", "tmp", "bin", "root"] {
        make_dir(&root.join(dir));
    }
    for file in ["hosts", "hostname", "resolv.conf"] {
        write(&root.join("etc").join(file), b"");
    }
    write(&root.join("etc/passwd"), b"root:x:0:0:root:/root:/bin/sh\n");
    write(&root.join("etc/group"), b"root:x:0:\n");
    let busybox = run("sh", &["-c", "command -v busybox"]);
    copy_program(Path::new(&busybox), &root.join("bin/busybox"));
    for applet in ["sh", "true", "sleep", "cat"] {
        if let Err(e) = std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)) {
            fail(format_args!("link {applet}: {e}"));
        }
    }
}

/// Text that gzip makes about a third of: words of a small language, at random.
fn words(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut text = Vec::with_capacity(len + 16);
    while text.len() < len {
        let mut word = next() % 5000;
        // The longer part of a word follows from its number; four digits of noise do not.
        while word > 0 {
            text.extend_from_slice(&[b'a' + (word % 26) as u8, b'a' + (word * 7 % 26) as u8]);
            word /= 26;
        }
        text.push(b' ');
        if next() % 4 == 0 {
            text.extend_from_slice(format!("{:04x}", next() & 0xffff).as_bytes());
        }
    }
    text.truncate(len);
    text
}

fn make_dir(path: &Path) -> PathBuf {
    if let Err(e) = fs::create_dir_all(path) {
        fail(format_args!("make {}: {e}", path.display()));
    }
    path.to_owned()
}

fn write(path: &Path, bytes: &[u8]) {
    if let Err(e) = fs::File::create(path).and_then(|mut file| file.write_all(bytes)) {
        fail(format_args!("write {}: {e}", path.display()));
    }
}

fn copy_program(from: &Path, to: &Path) {
    if let Err(e) = fs::copy(from, to) {
        fail(format_args!("copy {}: {e}", from.display()));
    }
    run("chmod", &["755", &to.display().to_string()]);
}
