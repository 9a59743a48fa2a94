//! Bytes that nobody is shown.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The value of a secret. Every form that a person reads (Debug, JSON) leaves it out; only the
/// plan's own encoding carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// What is shown in its place.
const SHOWN: &str = "<redacted>";

impl Secret {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(bytes)
    }

    /// The bytes themselves.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

/// Memory that is given back is used again: the value does not stay in it.
impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match to.is_human_readable() {
            true => to.serialize_str(SHOWN),
            false => to.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        serde_bytes::ByteBuf::deserialize(from).map(|bytes| Secret(bytes.into_vec()))
    }
}

/// A variable of the environment with a secret for its value. It gives way to one of the same
/// name that belongs to the program itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, without a NUL.
    pub value: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plan_carries_the_bytes() {
        let variable = Variable { name: "A".into(), value: Secret::new(b"canary\xff".to_vec()) };
        assert!(!format!("{variable:?}").contains("canary"));
        let bytes = postcard::to_stdvec(&variable).unwrap();
        assert_eq!(postcard::from_bytes::<Variable>(&bytes).unwrap(), variable);
    }
}
