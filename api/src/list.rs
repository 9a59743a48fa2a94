//! Containers as `list_containers` shows them: from `bolt ps --format json`.

use crate::error::{BoltError, Result};
use serde::Deserialize;
use std::collections::HashMap;

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ContainerInfo {
    /// 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// All its names.
    pub names: Vec<String>,
    /// The image as it was asked for.
    pub image: String,
    /// The image's id: 64 hex digits.
    pub image_id: String,
    /// The program and its arguments; empty: none of its own.
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    /// `created`, `initialized`, `running`, `exited`, `paused`, or `orphaned`: it runs without
    /// its supervisor.
    pub status: String,
    /// Published ports.
    pub ports: Vec<String>,
    /// Labels, the image's too.
    pub labels: HashMap<String, String>,
    /// How long it has been running: `2 hours`.
    pub uptime: Option<String>,
}

/// The keys of `bolt ps --format json` (podman-ps(1)) that are used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: String,
    names: Vec<String>,
    image: String,
    #[serde(rename = "ImageID")]
    image_id: String,
    command: Option<Vec<String>>,
    created: i64,
    state: String,
    status: String,
    ports: Option<Vec<Port>>,
    labels: Option<HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Port {
    #[serde(default)]
    host_ip: String,
    container_port: u16,
    host_port: u16,
    #[serde(default)]
    range: u16,
    #[serde(default)]
    protocol: String,
}

/// Reads the answer of `bolt ps`.
pub(crate) fn parse(json: &str) -> Result<Vec<ContainerInfo>> {
    let rows: Vec<Row> = serde_json::from_str(json)
        .map_err(|error| BoltError::Json { command: "bolt ps --format json".into(), error })?;
    Ok(rows.into_iter().map(info).collect())
}

fn info(row: Row) -> ContainerInfo {
    ContainerInfo {
        name: row.names.first().cloned().unwrap_or_default(),
        names: row.names,
        id: row.id,
        image: row.image,
        image_id: row.image_id,
        command: row.command.unwrap_or_default().join(" "),
        created: row.created,
        uptime: row.status.strip_prefix("Up ").map(str::to_owned),
        status: row.state,
        ports: row.ports.iter().flatten().map(shown).collect(),
        labels: row.labels.unwrap_or_default(),
    }
}

/// `127.0.0.1:8080->80/tcp`, as podman's table has it.
fn shown(port: &Port) -> String {
    let address = match &port.host_ip {
        none if none.is_empty() => "0.0.0.0".to_owned(),
        v6 if v6.contains(':') => format!("[{v6}]"),
        v4 => v4.clone(),
    };
    let ports = |first: u16| match port.range {
        0 | 1 => first.to_string(),
        range => format!("{first}-{}", first.saturating_add(range - 1)),
    };
    let protocol = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
    format!("{address}:{}->{}/{protocol}", ports(port.host_port), ports(port.container_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let json = r#"[{"AutoRemove":false,"Command":["sh","-c","x"],"Created":1700000000,
            "Id":"ab","Image":"v1","ImageID":"cd","Labels":{"k":"v"},"Names":["n"],
            "Ports":[{"host_ip":"","container_port":80,"host_port":8080,"range":2,"protocol":"udp"}],
            "State":"running","Status":"Up 2 minutes"},
            {"Command":null,"Created":1,"Id":"e","Image":"v2","ImageID":"","Labels":null,"Names":["m"],
            "Ports":null,"State":"exited","Status":"Exited (1) 3 days ago"}]"#;
        let list = parse(json).unwrap();
        assert_eq!((list[0].name.as_str(), list[0].status.as_str()), ("n", "running"));
        assert_eq!((list[0].command.as_str(), list[0].created), ("sh -c x", 1_700_000_000));
        assert_eq!(list[0].uptime.as_deref(), Some("2 minutes"));
        assert_eq!(
            (&list[0].ports[0][..], &list[0].labels["k"][..]),
            ("0.0.0.0:8080-8081->80-81/udp", "v")
        );
        assert_eq!((list[1].status.as_str(), list[1].uptime.as_deref()), ("exited", None));
        assert!(
            list[1].ports.is_empty() && list[1].labels.is_empty() && list[1].command.is_empty()
        );
        let error = parse("{}").unwrap_err().to_string();
        assert!(error.starts_with("bolt ps --format json answered with something else"), "{error}");
    }
}
