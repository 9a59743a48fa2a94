//! `bolt image inspect`: an image as JSON with podman's keys.

use crate::cmd::pull;
use crate::exit;
use crate::image::filter::split_name;
use crate::image::image_config::MAX_CONFIG;
use crate::image::manifest::MAX_DOCUMENT;
use crate::image::types::{Digest, ImageRecord, RunConfig};
use crate::rootfs::driver;
use crate::settings::Settings;
use crate::store::Store;
use crate::ui::print;
use serde_json::{Map, Value, json};

/// Show what is known of images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Print as "json", or by a Go template for each image
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints those that exist; the exit code is 125 when one does not.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let mut found = Vec::new();
    let mut code = 0;
    for name in &args.images {
        match pull::find(settings, &store, name)? {
            Some(image) => found.push(whole(settings, &store, &image.record)?),
            None => {
                print::error_chain(&unknown(name));
                code = exit::ENGINE;
            }
        }
    }
    crate::cmd::output::objects(&found, args.format.as_deref())?;
    Ok(code)
}

/// What is told of a name that no image has.
pub fn unknown(name: &str) -> anyhow::Error {
    anyhow::anyhow!("{name}: image not known")
}

/// Everything that is known of an image of the store. Errors: the store cannot be read.
pub fn whole(settings: &Settings, store: &Store, record: &ImageRecord) -> anyhow::Result<Value> {
    let names = store.names_of(&record.manifest)?;
    let mut value = inspect_image(record, &names);
    add_documents(store, record, &mut value)?;
    let driver = driver::choose(&settings.dirs);
    value["GraphDriver"] = json!({ "Name": driver.kind.name(), "Data": {} });
    Ok(value)
}

/// One image with its names, under the keys of `podman image inspect`.
pub fn inspect_image(record: &ImageRecord, names: &[String]) -> Value {
    let layers: Vec<&str> = record.layers.iter().map(|l| l.diff_id.as_str()).collect();
    let mut value = json!({
        "Id": record.id.hex(),
        "Digest": record.manifest,
        "RepoTags": repo_tags(names),
        "RepoDigests": repo_digests(record, names),
        "Parent": "",
        "Created": record.created,
        "Config": config(&record.config),
        "Architecture": record.platform.architecture,
        "Os": record.platform.os,
        "Size": record.size,
        "VirtualSize": record.size,
        "RootFS": { "Type": "layers", "Layers": layers },
        "Labels": record.config.labels,
        "User": record.config.user,
        "NamesHistory": names,
    });
    if let (Some(variant), Some(map)) = (&record.platform.variant, value.as_object_mut()) {
        map.insert("Variant".to_owned(), json!(variant));
    }
    value
}

/// What nobody needs to run the image, from its configuration and manifest as they were pulled.
fn add_documents(store: &Store, record: &ImageRecord, value: &mut Value) -> anyhow::Result<()> {
    let read = |digest: &Digest, max: u64| -> anyhow::Result<Value> {
        let bytes = store.read_blob(digest, max)?.unwrap_or_default();
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    };
    let config = read(&record.id, MAX_CONFIG)?;
    let manifest = read(&record.manifest, MAX_DOCUMENT)?;
    let text = |document: &Value, key: &str| document[key].as_str().unwrap_or_default().to_owned();
    value["Comment"] = json!(text(&config, "comment"));
    value["Author"] = json!(text(&config, "author"));
    value["Version"] = json!(text(&config, "docker_version"));
    value["History"] = json!(config["history"].as_array().cloned().unwrap_or_default());
    value["Annotations"] = json!(manifest["annotations"].as_object().cloned().unwrap_or_default());
    let media_type = match text(&manifest, "mediaType") {
        // Only OCI leaves it out.
        none if none.is_empty() => "application/vnd.oci.image.manifest.v1+json".to_owned(),
        named => named,
    };
    value["ManifestType"] = json!(media_type);
    Ok(())
}

/// Names with a tag.
pub fn repo_tags(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).filter(|name| !split_name(name).1.is_empty()).collect()
}

/// Every repository that names the image, with the digest of its manifest and of the index.
pub fn repo_digests(record: &ImageRecord, names: &[String]) -> Vec<String> {
    let mut repositories: Vec<&str> = names.iter().map(|name| split_name(name).0).collect();
    repositories.sort_unstable();
    repositories.dedup();
    let digests: Vec<_> = [Some(&record.manifest), record.index.as_ref()].into_iter().collect();
    let digests = digests.into_iter().flatten();
    digests.flat_map(|digest| repositories.iter().map(move |r| format!("{r}@{digest}"))).collect()
}

fn config(config: &RunConfig) -> Value {
    let set = |items: &[String]| -> Map<String, Value> {
        items.iter().map(|item| (item.clone(), json!({}))).collect()
    };
    let mut value = json!({
        "User": config.user,
        "ExposedPorts": set(&config.exposed_ports),
        "Env": config.env,
        "Entrypoint": config.entrypoint,
        "Cmd": config.cmd,
        "Volumes": set(&config.volumes),
        "WorkingDir": config.working_dir,
        "Labels": config.labels,
        "StopSignal": config.stop_signal,
    });
    if let Some(check) = &config.healthcheck {
        value["Healthcheck"] = json!(check);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::filter::tests::image;

    #[test]
    fn keys_are_podmans() {
        let mut image = image(1, &["quay.io/a/b:1", "quay.io/a/b:2", "localhost/c@sha256:00"]);
        image.record.index = Some(image.record.id.clone());
        image.record.config.volumes = vec!["/data".into()];
        let value = inspect_image(&image.record, &image.names);
        assert_eq!(value["Id"], "11".repeat(32));
        assert_eq!(value["RepoTags"], json!(["quay.io/a/b:1", "quay.io/a/b:2"]));
        assert_eq!(value["RepoDigests"].as_array().unwrap().len(), 4);
        assert_eq!(value["RepoDigests"][1], format!("quay.io/a/b@sha256:{}", "21".repeat(32)));
        assert_eq!(value["Config"]["Cmd"], json!(["sh"]));
        assert_eq!(value["Config"]["Volumes"], json!({"/data": {}}));
        assert_eq!(value["RootFS"], json!({"Type": "layers", "Layers": []}));
        assert_eq!(value["Labels"], json!({"n": "1"}));
    }
}
