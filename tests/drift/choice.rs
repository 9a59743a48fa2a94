//! The choice of a variant on sixty machines.
//!
//! `machines.json` was made from `docs/metadata.md` by an oracle of its own, not by this code.

use bolt::facts::HostFacts;
use bolt::game::choose::{Known, Outcome, choose};
use bolt::game::measured::Results;
use bolt::image::manifest::{self, Document};
use bolt::image::types::{Descriptor, Digest};
use serde_json::Value;
use std::path::Path;

fn table() -> Value {
    serde_json::from_str(include_str!("machines.json")).unwrap()
}

fn entries(index: &Value) -> Vec<Descriptor> {
    match manifest::parse(&serde_json::to_vec(index).unwrap(), "").unwrap() {
        Document::Index(entries) => entries,
        Document::Manifest(_) => panic!("the table has an index"),
    }
}

#[test]
fn sixty_machines_get_the_variant_that_fits_and_every_refusal_has_its_reason() {
    let table = table();
    let entries = entries(&table["index"]);
    let machines = table["machines"].as_array().unwrap();
    assert_eq!(machines.len(), 60);
    let root = Digest::sha256_of(b"index");
    for machine in machines {
        let name = machine["name"].as_str().unwrap();
        let facts = serde_json::to_vec(&machine["facts"]).unwrap();
        let facts = HostFacts::parse(Path::new(name), &facts).unwrap();
        let choice =
            choose(&root, &entries, &facts, &Results::default(), &Known::default()).unwrap();
        let taken = choice.taken().map(|verdict| verdict.name.as_str());
        assert_eq!(taken, machine["taken"].as_str(), "{name}");
        let others = machine["others"].as_object().unwrap();
        assert_eq!(others.len() + usize::from(taken.is_some()), choice.verdicts.len(), "{name}");
        for verdict in choice.verdicts.iter().filter(|v| v.outcome != Outcome::Taken) {
            let codes: Vec<Value> =
                verdict.reasons.iter().map(|r| serde_json::to_value(r.code).unwrap()).collect();
            assert_eq!(Value::from(codes), others[&verdict.name], "{name}: {}", verdict.name);
            assert!(verdict.reasons.iter().all(|r| !r.text.is_empty()), "{name}");
        }
    }
}

#[test]
fn an_index_without_an_end_is_refused() {
    let entries = vec![entries(&table()["index"])[0].clone(); 10_000];
    let facts = serde_json::to_vec(&table()["machines"][0]["facts"]).unwrap();
    let facts = HostFacts::parse(Path::new("f"), &facts).unwrap();
    let root = Digest::sha256_of(b"index");
    let error =
        choose(&root, &entries, &facts, &Results::default(), &Known::default()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains(root.as_str()) && error.contains("lists 10000 manifests"), "{error}");
}
