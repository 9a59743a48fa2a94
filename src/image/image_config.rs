//! The image configuration (image-spec config.md; docker's is the same with more fields).

use crate::image::types::{Digest, Healthcheck, Platform, RunConfig};
use crate::ui::json_fault::{self, JsonFault};
use crate::ui::redact::foreign;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Largest configuration that is read, in bytes.
pub const MAX_CONFIG: u64 = 8 << 20;

/// What bolt needs of an image configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// RFC 3339 creation time, empty when it has none.
    pub created: String,
    /// Which machine it runs on.
    pub platform: Platform,
    /// What `run` needs.
    pub run: RunConfig,
    /// Digests of the uncompressed layers, bottom first.
    pub diff_ids: Vec<Digest>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or a field of the wrong type.
    #[error("image configuration is not valid")]
    Json(#[from] JsonFault),
    /// `rootfs.type` is something else than `layers`.
    #[error("image configuration has rootfs.type {0:?}, expected \"layers\"")]
    Rootfs(String),
    /// Manifest and configuration disagree.
    #[error("image configuration lists {diff_ids} diff_ids but the manifest {layers} layers")]
    Count {
        /// Entries of `rootfs.diff_ids`.
        diff_ids: usize,
        /// Entries of the manifest's `layers`.
        layers: usize,
    },
}

/// Docker writes `null` where the specification has an empty list or map.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A check that makes no sense is none; the image runs all the same.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Healthcheck>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

type Set = BTreeMap<String, serde::de::IgnoredAny>;

#[derive(Deserialize)]
struct Raw {
    #[serde(default, deserialize_with = "nullable")]
    created: String,
    #[serde(default, deserialize_with = "nullable")]
    os: String,
    #[serde(default, deserialize_with = "nullable")]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(rename = "os.features", default, deserialize_with = "nullable")]
    os_features: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    config: RawRun,
    rootfs: RawRootfs,
}

#[derive(Deserialize)]
struct RawRootfs {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "nullable")]
    diff_ids: Vec<Digest>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawRun {
    #[serde(deserialize_with = "nullable")]
    user: String,
    #[serde(deserialize_with = "nullable")]
    env: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    working_dir: String,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    stop_signal: String,
    #[serde(deserialize_with = "nullable")]
    volumes: Set,
    #[serde(deserialize_with = "nullable")]
    exposed_ports: Set,
    #[serde(deserialize_with = "lenient")]
    healthcheck: Option<Healthcheck>,
}

/// Parses the configuration of a manifest with `layers` layers.
pub fn parse(bytes: &[u8], layers: usize) -> Result<ImageConfig, ConfigError> {
    let raw: Raw = json_fault::read(bytes)?;
    if raw.rootfs.kind != "layers" {
        return Err(ConfigError::Rootfs(foreign(&raw.rootfs.kind, 60)));
    }
    let diff_ids = raw.rootfs.diff_ids;
    if diff_ids.len() != layers {
        return Err(ConfigError::Count { diff_ids: diff_ids.len(), layers });
    }
    let run = RunConfig {
        user: raw.config.user,
        env: raw.config.env,
        entrypoint: raw.config.entrypoint,
        cmd: raw.config.cmd,
        working_dir: raw.config.working_dir,
        labels: raw.config.labels,
        stop_signal: raw.config.stop_signal,
        volumes: raw.config.volumes.into_keys().collect(),
        exposed_ports: raw.config.exposed_ports.into_keys().collect(),
        healthcheck: raw.config.healthcheck,
    };
    let platform = Platform {
        os: raw.os,
        architecture: raw.architecture,
        variant: raw.variant.filter(|v| !v.is_empty()),
        os_features: raw.os_features,
    };
    Ok(ImageConfig { created: raw.created, platform, run, diff_ids })
}

/// The chain id of every layer (image-spec config.md, "Layer ChainID"): what identifies the
/// stack from the bottom up to that layer.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(below) => Digest::sha256_of(format!("{below} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u8) -> Digest {
        Digest::sha256_of(&[n])
    }

    #[test]
    fn reads_dockers_nulls() {
        let text = format!(
            r#"{{"created":"2026-01-02T03:04:05Z","os":"linux","architecture":"arm64","variant":"v8",
            "config":{{"User":"7:8","Env":["A=b"],"Entrypoint":null,"Cmd":["sh"],"Labels":null,
            "Volumes":{{"/data":{{}}}},"ExposedPorts":{{"80/tcp":{{}}}},"OnBuild":null}},
            "rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            digest(1)
        );
        let config = parse(text.as_bytes(), 1).unwrap();
        assert_eq!(config.run.user, "7:8");
        assert_eq!(config.run.cmd, ["sh"]);
        assert!(config.run.entrypoint.is_empty());
        assert_eq!(config.run.volumes, ["/data"]);
        assert_eq!(config.run.exposed_ports, ["80/tcp"]);
        assert_eq!(config.platform.variant.as_deref(), Some("v8"));
        assert_eq!(config.diff_ids, [digest(1)]);
    }

    #[test]
    fn a_healthcheck_is_read_or_left_out() {
        let check = |text: &str| {
            let text =
                format!(r#"{{"config":{{"Healthcheck":{text}}},"rootfs":{{"type":"layers"}}}}"#);
            parse(text.as_bytes(), 0).unwrap().run.healthcheck
        };
        let read =
            check(r#"{"Test":["CMD-SHELL","true"],"Interval":5,"StartInterval":1}"#).unwrap();
        assert_eq!((read.test[1].as_str(), read.interval, read.retries), ("true", 5, 0));
        for none in ["null", "7", r#"{"Test":null}"#, r#"{"Test":["CMD"],"Interval":"5s"}"#] {
            assert_eq!(check(none), None, "{none}");
        }
    }

    #[test]
    fn refuses_a_count_or_type_that_differs() {
        let text = r#"{"config":null,"rootfs":{"type":"layers","diff_ids":null}}"#;
        assert!(parse(text.as_bytes(), 0).is_ok());
        assert!(matches!(parse(text.as_bytes(), 1), Err(ConfigError::Count { .. })));
        let text = r#"{"rootfs":{"type":"windows","diff_ids":[]}}"#;
        assert!(matches!(parse(text.as_bytes(), 0), Err(ConfigError::Rootfs(_))));
        assert!(parse(b"{}", 0).is_err());
    }

    #[test]
    fn chains_as_the_specification_says() {
        let (a, b, c) = (digest(1), digest(2), digest(3));
        let ab = Digest::sha256_of(format!("{a} {b}").as_bytes());
        let abc = Digest::sha256_of(format!("{ab} {c}").as_bytes());
        assert_eq!(chain_ids(&[a.clone(), b, c]), [a, ab, abc]);
        assert!(chain_ids(&[]).is_empty());
    }
}
