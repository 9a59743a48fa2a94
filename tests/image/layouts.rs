//! Image layouts, as directories and as archives.

use super::{Machine, text};
use crate::harness::image::TestImage;
use crate::harness::{Scratch, run};
use std::path::Path;

fn archive(image: &TestImage, dir: &Scratch) -> String {
    let tar = dir.join("image.tar");
    run(
        "skopeo",
        &["copy", "--quiet", &image.source(), &format!("oci-archive:{}:v1", tar.display())],
    );
    tar.display().to_string()
}

fn blob_file(image: &TestImage, digest: &str) -> std::path::PathBuf {
    image.layout().join("blobs").join(digest.replace(':', "/"))
}

#[test]
fn directories_and_archives_give_the_same_layers() {
    let image = TestImage::new(&[70_000]);
    let dir = Scratch::new();
    let tar = archive(&image, &dir);
    let (one, two) = (Machine::new(), Machine::new());
    let (a, progress) = one.pull(&one.request(&image.source()));
    let a = a.unwrap();
    assert!(progress.transferred() > 70_000);
    let mut request = two.request(&format!("oci-archive:{tar}:v1"));
    request.keep_blobs = true;
    let b = two.pull(&request).0.unwrap();
    assert_eq!(a.id, b.id);
    assert_eq!(one.store().find_ref("localhost/v1:latest").unwrap().unwrap(), a);
    assert!(two.store().has_blob(&b.layers[1].blob.digest).unwrap());
    run("diff", &["-r", one.top(&a).to_str().unwrap(), two.top(&b).to_str().unwrap()]);
    // Without a name, when there is but one image.
    one.pull(&one.request(&format!("oci:{}", image.layout().display()))).0.unwrap();
    let missing = format!("oci:{}:v2", image.layout().display());
    let message = text(&one.pull(&one.request(&missing)).0.unwrap_err());
    assert!(message.contains("\"v2\"") && message.contains("v1"), "{message}");
}

#[test]
fn links_out_of_a_layout_are_refused() {
    let image = TestImage::new(&[1000]);
    let dir = Scratch::new();
    let machine = Machine::new();
    for (digest, _) in image.layers() {
        let file = blob_file(&image, &digest);
        let outside = dir.join("outside");
        std::fs::rename(&file, &outside).unwrap();
        std::os::unix::fs::symlink(&outside, &file).unwrap();
        let message = text(&machine.pull(&machine.request(&image.source())).0.unwrap_err());
        assert!(message.contains("links are not followed"), "{message}");
        std::fs::remove_file(&file).unwrap();
        std::fs::rename(&outside, &file).unwrap();
    }
    machine.pull(&machine.request(&image.source())).0.unwrap();
}

#[test]
fn wrong_bytes_are_named() {
    let image = TestImage::new(&[5000]);
    let (digest, size) = image.layers()[1].clone();
    let file = blob_file(&image, &digest);
    let good = std::fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[size as usize / 2] ^= 1;
    std::fs::write(&file, &bad).unwrap();
    let machine = Machine::new();
    let message = text(&machine.pull(&machine.request(&image.source())).0.unwrap_err());
    assert!(message.contains(&digest) && message.contains("its digest is sha256:"), "{message}");
    std::fs::write(&file, &good[1..]).unwrap();
    let message = text(&machine.pull(&machine.request(&image.source())).0.unwrap_err());
    assert!(message.contains("its descriptor says"), "{message}");
    assert!(machine.store().find_ref("localhost/v1:latest").unwrap().is_none());
    std::fs::write(&file, &good).unwrap();
    machine.pull(&machine.request(&image.source())).0.unwrap();
}

#[test]
fn damaged_archives_are_refused() {
    let image = TestImage::new(&[1000]);
    let dir = Scratch::new();
    let tar = archive(&image, &dir);
    let machine = Machine::new();
    let says = |path: &Path, word: &str| {
        let name = format!("oci-archive:{}", path.display());
        let message = text(&machine.pull(&machine.request(&name)).0.unwrap_err());
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    };
    run("gzip", &["-k", &tar]);
    says(Path::new(&format!("{tar}.gz")), "compressed with gzip");
    let bytes = std::fs::read(&tar).unwrap();
    let bad = dir.join("bad");
    std::fs::write(&bad, &bytes[..bytes.len() / 2]).unwrap();
    says(&bad, "longer than the archive");
    std::fs::write(&bad, vec![7; 2048]).unwrap();
    says(&bad, "no valid tar header");
    std::fs::write(&bad, vec![0; 2048]).unwrap();
    says(&bad, "is this an OCI image layout?");
    says(&dir.join("nothing"), "No such file");
    says(dir.path(), "not a regular file");
}
