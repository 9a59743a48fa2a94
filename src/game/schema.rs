//! The JSON Schema is made from the types and checked in. `BOLT_BLESS=1 cargo test schema` writes
//! it anew.

use crate::game::annotations::ARTIFACT_TYPE;
use crate::game::{Metadata, Version};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::fs;
use std::path::Path;

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]+){0,5}$",
            "description": "Numbers with dots between them.",
        })
    }
}

#[test]
fn the_schema_is_that_of_the_types() {
    let mut schema = schemars::schema_for!(Metadata);
    schema.insert("title".to_owned(), ARTIFACT_TYPE.into());
    let wanted = format!("{:#}\n", schema.as_value());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/game-metadata.schema.json");
    if std::env::var_os("BOLT_BLESS").is_some() {
        fs::write(&path, &wanted).expect("write the schema");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{} is not current: BOLT_BLESS=1", path.display());
}

/// The examples of the documentation are read, and the two kinds say the same.
#[test]
fn the_examples_of_the_documentation_are_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metadata.md");
    let text = fs::read_to_string(path).expect("docs/metadata.md");
    let block = |kind: &str| {
        let (_, rest) = text.split_once(&format!("```{kind}\n")).expect(kind);
        rest.split_once("```").expect("its end").0.to_owned()
    };
    let toml = Metadata::from_toml(&block("toml")).expect("the TOML example");
    let json = Metadata::from_json(block("json").as_bytes()).expect("the JSON example");
    assert_eq!(toml, json);
    let value = serde_json::to_value(&toml).expect("a value");
    let schema = schemars::schema_for!(Metadata);
    let fields = schema.as_value()["properties"].as_object().expect("properties");
    for field in fields.keys() {
        assert!(value.get(field).is_some(), "the examples do not show {field}");
    }
}
