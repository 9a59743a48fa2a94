//! A Boltfile as data, to be written by the caller's own serializer. This version of `bolt` has
//! no verb that reads one: nothing here starts anything.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A project and its services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoltFile {
    /// Its name.
    pub project: String,
    /// By name.
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
}

/// One service: a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// The image to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Command and arguments instead of the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// `SOURCE:/TARGET[:OPTIONS]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<String>>,
    /// `HOST:CONTAINER[/PROTOCOL]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<String>>,
    /// Variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
    /// Services that start before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<Vec<String>>,
    /// What a game needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gaming: Option<GamingConfig>,
}

/// What a game needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GamingConfig {
    /// It is a game.
    pub enabled: bool,
    /// Directory of the Wine prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wine_prefix: Option<String>,
    /// Directory name of a Proton build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proton_version: Option<String>,
}

/// Puts a [`BoltFile`] together.
#[derive(Debug, Clone, Default)]
pub struct BoltFileBuilder {
    file: BoltFile,
}

impl BoltFileBuilder {
    /// A project without services.
    pub fn new(project: impl Into<String>) -> Self {
        let file = BoltFile { project: project.into(), services: BTreeMap::new() };
        BoltFileBuilder { file }
    }

    /// Adds a service; one of the same name is replaced.
    #[must_use]
    pub fn add_service(mut self, name: impl Into<String>, service: Service) -> Self {
        self.file.services.insert(name.into(), service);
        self
    }

    /// Adds a service that is a game.
    #[must_use]
    pub fn add_gaming_service(
        self,
        name: impl Into<String>,
        image: impl Into<String>,
        gaming: GamingConfig,
    ) -> Self {
        let image = Some(image.into());
        self.add_service(name, Service { image, gaming: Some(gaming), ..Service::default() })
    }

    /// The result.
    pub fn build(self) -> BoltFile {
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_as_it_was_written() {
        let gaming = GamingConfig { enabled: true, ..GamingConfig::default() };
        let web = Service { image: Some("web".into()), ..Service::default() };
        let file = BoltFileBuilder::new("p")
            .add_service("web", web)
            .add_gaming_service("game", "bolt://game", gaming)
            .build();
        let json = serde_json::to_value(&file).unwrap();
        let want = serde_json::json!({"project": "p", "services": {
            "game": {"image": "bolt://game", "gaming": {"enabled": true}},
            "web": {"image": "web"}}});
        assert_eq!(json, want);
        assert_eq!(serde_json::from_value::<BoltFile>(json).unwrap(), file);
    }
}
