//! Links below `containers/by-name`: how a name leads to a container.

/// The 43 characters by which a name leads to a container: its id in base64url (RFC 4648
/// section 5) without padding. ext4 keeps a link of fewer than 60 bytes in the inode; one to 64
/// digits takes a block of the disk, and five times as long to make and to remove.
pub fn to_link(id: &str) -> Option<String> {
    if !is_whole(id) {
        return None;
    }
    let mut link = String::with_capacity(43);
    let (mut bits, mut count) = (0u32, 0);
    for digit in id.bytes() {
        let value = if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
        bits = bits << 4 | u32::from(value);
        count += 4;
        if count >= 6 {
            count -= 6;
            link.push(char::from(LINK[(bits >> count) as usize & 63]));
        }
    }
    // 256 bits are 42 characters and 4 bits more.
    link.push(char::from(LINK[(bits << (6 - count)) as usize & 63]));
    Some(link)
}

/// The id behind [`to_link`], or behind a link as the first builds made it: `../<id>`.
pub fn from_link(link: &str) -> Option<String> {
    if let Some(id) = link.strip_prefix("../").filter(|id| is_whole(id)) {
        return Some(id.to_owned());
    }
    let mut id = String::with_capacity(64);
    let (mut bits, mut count) = (0u32, 0);
    for character in link.bytes() {
        bits = bits << 6 | link_value(character)?;
        count += 6;
        while count >= 4 && id.len() < 64 {
            count -= 4;
            id.push(char::from(HEX[(bits >> count) as usize & 15]));
        }
    }
    // The two bits behind the last digit are zero, or another link would lead to the same id.
    (link.len() == 43 && bits & 3 == 0).then_some(id)
}

fn link_value(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

const LINK: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Whether `link` leads to the container of that id.
pub fn leads_to(link: &str, id: &str) -> bool {
    from_link(link).is_some_and(|other| other == id)
}

fn is_whole(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| HEX.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_short_and_leads_back() {
        for id in ["0123456789abcdef".repeat(4), "0".repeat(64), "f".repeat(64)] {
            let link = to_link(&id).unwrap();
            assert_eq!((link.len(), from_link(&link)), (43, Some(id)), "{link}");
        }
        assert_eq!(to_link("abc"), None);
        assert_eq!(from_link(&format!("../{}", "a".repeat(64))), Some("a".repeat(64)));
        for odd in ["", "../x", "/etc", &"A".repeat(42), &"A".repeat(44), &"_".repeat(43)] {
            assert_eq!(from_link(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_link_leads_to_one_container() {
        let (id, other) = ("a".repeat(64), "b".repeat(64));
        for link in [to_link(&id).unwrap(), format!("../{id}")] {
            assert!(leads_to(&link, &id) && !leads_to(&link, &other), "{link}");
        }
        assert!(!leads_to("/etc", &id));
    }
}
