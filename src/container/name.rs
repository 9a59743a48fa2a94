//! Names and ids: what is allowed, and new ones by chance.

use super::error::Error;
pub use bolt_shim::link::{from_link, to_link};
use rustix::rand::{GetRandomFlags, getrandom};

const ADJECTIVES: &[&str] = &[
    "agile", "amber", "arcane", "bold", "brave", "bright", "brisk", "calm", "cobalt", "cosmic",
    "crimson", "daring", "deft", "eager", "epic", "fabled", "fierce", "fleet", "frosty", "gallant",
    "gentle", "gilded", "golden", "hardy", "hidden", "icy", "jade", "keen", "lively", "loyal",
    "lucid", "lucky", "lunar", "mighty", "mystic", "nimble", "noble", "proud", "quick", "quiet",
    "radiant", "rapid", "regal", "rogue", "rustic", "scarlet", "secret", "silent", "silver", "sly",
    "solar", "steady", "stormy", "swift", "tidal", "tough", "valiant", "vivid", "wild", "wise",
    "witty", "young", "zealous", "zesty",
];

const NOUNS: &[&str] = &[
    "anvil", "archer", "arrow", "badger", "banner", "bastion", "beacon", "bishop", "blade",
    "castle", "comet", "corsair", "crown", "dagger", "dragon", "druid", "dungeon", "falcon",
    "flame", "forge", "fortress", "gauntlet", "goblin", "golem", "griffin", "guild", "hammer",
    "harbor", "helm", "hydra", "joystick", "kraken", "lance", "lantern", "lynx", "mage", "meteor",
    "monk", "mortar", "oracle", "outpost", "paladin", "phoenix", "pilot", "portal", "potion",
    "quest", "ranger", "raven", "relic", "rocket", "rook", "rune", "scout", "shield", "sigil",
    "sphinx", "sprite", "squire", "talon", "titan", "tower", "wizard", "wyvern",
];

/// Checks a name that was typed: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, at most 255 bytes (it is a file
/// name).
pub fn check(name: &str) -> Result<(), Error> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if first && rest && name.len() <= 255 { Ok(()) } else { Err(Error::BadName(name.to_owned())) }
}

/// Whether this is a whole container id.
pub fn is_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

/// Whether this may be the start of a container id.
pub fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A new container id: 256 random bits as hex digits.
pub fn new_id() -> Result<String, Error> {
    let bytes = random::<32>()?;
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    Ok(digits.map(|digit| char::from(HEX[usize::from(digit)])).collect())
}

/// A name such as `swift_falcon`; from the tenth `attempt` on with a number behind it.
pub fn suggest(attempt: u32) -> Result<String, Error> {
    let [a, b, c, d] = random::<4>()?;
    let adjective = ADJECTIVES[usize::from(a) % ADJECTIVES.len()];
    let noun = NOUNS[usize::from(b) % NOUNS.len()];
    if attempt < 10 {
        Ok(format!("{adjective}_{noun}"))
    } else {
        Ok(format!("{adjective}_{noun}{}", u16::from_be_bytes([c, d])))
    }
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0u8; N];
    let mut filled = 0;
    while filled < N {
        // Up to 256 bytes come whole, but a signal may interrupt the wait for early entropy.
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(super::error::errno("read", "getrandom(2)")(e)),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_character_set() {
        for good in ["a", "0", "A.b-c_d", "swift_falcon", &"x".repeat(255)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-a", "_a", "a/b", "a b", "ä", "a\n", &"x".repeat(256)] {
            assert!(matches!(check(bad), Err(Error::BadName(_))), "{bad}");
        }
    }

    #[test]
    fn ids_are_64_hex_digits_and_differ() {
        let (one, two) = (new_id().unwrap(), new_id().unwrap());
        assert!(is_id(&one) && is_id(&two));
        assert_ne!(one, two);
        assert!(!is_id("abc"));
        assert!(!is_hex("ABC") && !is_hex("") && !is_hex("../x"));
    }

    #[test]
    fn suggested_names_are_valid() {
        for attempt in 0..40 {
            check(&suggest(attempt).unwrap()).unwrap();
        }
    }

    #[test]
    fn word_lists_have_no_doubles() {
        for list in [ADJECTIVES, NOUNS] {
            let set: std::collections::BTreeSet<_> = list.iter().collect();
            assert_eq!(set.len(), list.len());
            assert_eq!(list.len(), 64, "a power of two keeps the choice even");
        }
    }
}
