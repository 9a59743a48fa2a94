//! Image layouts, as directories and as archives.

use super::{Machine, text};
use crate::harness::image::TestImage;
use crate::harness::{Scratch, run};
use bolt::image::manifest::{OCI_INDEX, OCI_MANIFEST};
use bolt::image::types::Digest;
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
    for (digest, _) in image.layers() {
        let machine = Machine::new();
        let file = blob_file(&image, &digest);
        let outside = dir.join("outside");
        std::fs::rename(&file, &outside).unwrap();
        std::os::unix::fs::symlink(&outside, &file).unwrap();
        let message = text(&machine.pull(&machine.request(&image.source())).0.unwrap_err());
        assert!(message.contains("links are not followed"), "{message}");
        std::fs::remove_file(&file).unwrap();
        std::fs::rename(&outside, &file).unwrap();
        machine.pull(&machine.request(&image.source())).0.unwrap();
    }
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
    says(dir.path(), "no regular file");
}

/// Adds a JSON blob to a layout and returns its descriptor.
fn put(image: &TestImage, kind: &str, text: &str, more: &str) -> String {
    let digest = Digest::sha256_of(text.as_bytes());
    std::fs::write(blob_file(image, digest.as_str()), text).unwrap();
    format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{}{more}}}"#, text.len())
}

fn index(entries: &[String]) -> String {
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
}

fn set_index(image: &TestImage, entries: &[String]) {
    std::fs::write(image.layout().join("index.json"), index(entries)).unwrap();
}

#[test]
fn an_index_gives_the_image_for_the_machine() {
    let image = TestImage::new(&[]);
    let machine = Machine::new();
    let plain = machine.pull(&machine.request(&image.source())).0.unwrap();
    let text = std::fs::read_to_string(blob_file(&image, plain.manifest.as_str())).unwrap();
    let host = &machine.platform.architecture;
    let platform = |arch: &str| format!(r#","platform":{{"os":"linux","architecture":"{arch}"}}"#);
    let good = put(&image, OCI_MANIFEST, &text, &platform(host));
    let other = good.replace(host, "sparc");
    let list = put(&image, OCI_INDEX, &index(&[other.clone(), good.clone()]), "");
    set_index(&image, std::slice::from_ref(&list));
    let name = format!("oci:{}", image.layout().display());
    let record = machine.pull(&machine.request(&name)).0.unwrap();
    assert_eq!(record.manifest, plain.manifest);
    let chosen = record.index.unwrap();
    assert!(list.contains(chosen.as_str()));
    assert!(machine.store().has_blob(&chosen).unwrap());
    let list = put(&image, OCI_INDEX, &index(&[other.clone(), other]), "");
    set_index(&image, &[list]);
    let message = super::text(&machine.pull(&machine.request(&name)).0.unwrap_err());
    assert!(message.contains("linux/sparc"), "{message}");
}

#[test]
fn indexes_are_not_nested_without_end() {
    let image = TestImage::new(&[]);
    let machine = Machine::new();
    let plain = machine.pull(&machine.request(&image.source())).0.unwrap();
    let text = std::fs::read_to_string(blob_file(&image, plain.manifest.as_str())).unwrap();
    let name = format!("oci:{}", image.layout().display());
    let mut entry = put(&image, OCI_MANIFEST, &text, "");
    for depth in 1..=6 {
        entry = put(&image, OCI_INDEX, &index(&[entry]), "");
        set_index(&image, std::slice::from_ref(&entry));
        let result = machine.pull(&machine.request(&name)).0;
        assert_eq!(result.is_ok(), depth <= 4, "{depth}");
        if let Err(e) = result {
            assert!(super::text(&e).contains("nested more than 4 deep"), "{e}");
        }
    }
}

#[test]
fn zstd_and_plain_layers_are_read() {
    let image = TestImage::new(&[50_000]);
    let dir = Scratch::new();
    let machine = Machine::new();
    let gzip = machine.pull(&machine.request(&image.source())).0.unwrap();
    let plain = format!("dir:{}", dir.join("plain").display());
    run("skopeo", &["copy", "--quiet", "--dest-decompress", &image.source(), &plain]);
    let ways = [
        ("zstd", ["--dest-compress-format", "zstd"].as_slice()),
        ("tar", ["--dest-oci-accept-uncompressed-layers"].as_slice()),
    ];
    for (n, (ending, way)) in ways.into_iter().enumerate() {
        let target = format!("oci:{}:z", dir.join(&n.to_string()).display());
        run("skopeo", &[&["copy", "--quiet"], way, &[&plain, &target]].concat());
        let other = Machine::new();
        let record =
            other.pull(&other.request(&target)).0.unwrap_or_else(|e| panic!("{}", text(&e)));
        assert!(record.layers[1].blob.media_type.ends_with(ending), "{:?}", record.layers);
        assert_eq!(record.layers[1].chain_id, gzip.layers[1].chain_id);
        run(
            "diff",
            &["-r", machine.top(&gzip).to_str().unwrap(), other.top(&record).to_str().unwrap()],
        );
    }
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says_is_refused() {
    let image = TestImage::new(&[1000]);
    let machine = Machine::new();
    let plain = machine.pull(&machine.request(&image.source())).0.unwrap();
    let read =
        |digest: &Digest| std::fs::read_to_string(blob_file(&image, digest.as_str())).unwrap();
    let lie = Digest::sha256_of(b"lie");
    let config = read(&plain.id).replace(plain.layers[1].diff_id.as_str(), lie.as_str());
    put(&image, "", &config, "");
    let config = Digest::sha256_of(config.as_bytes());
    let manifest = read(&plain.manifest).replace(plain.id.as_str(), config.as_str());
    let entry = put(&image, OCI_MANIFEST, &manifest, "");
    set_index(&image, &[entry]);
    let name = format!("oci:{}", image.layout().display());
    let message = text(&machine.pull(&machine.request(&name)).0.unwrap_err());
    assert!(message.contains("was built wrongly") && message.contains(lie.as_str()), "{message}");
    assert!(machine.store().image(&Digest::sha256_of(manifest.as_bytes())).unwrap().is_none());
}
