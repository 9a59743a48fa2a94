//! What must not be shown: secrets that this process told a server, or was typed. They are learned
//! here before they are sent; a server that repeats one does not get it into an error, a log, a
//! record or a note. One set for the whole process: the text in which a server repeats a secret is
//! often understood, and refused, far from the conversation in which it was told.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Stands where a secret stood.
pub const MASK: &str = "***";
/// Shorter texts are found in any words by chance, and hiding them would tell them.
const SHORTEST: usize = 4;
/// Shorter ones count as words of their own alone, not within others and within digests.
const WORDS: usize = 8;
/// What stands alone in front of a host is a token from that length on, else a user's name.
const TOKEN: usize = 16;
/// Longest password, in bytes, that is looked for in a typed name.
const LONGEST_TYPED: usize = 4096;

/// Every spelling of every secret, in lower case.
static LEARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers a secret, and how addresses, forms, JSON and messages spell it.
pub fn learn(secret: &str) {
    let secret = secret.trim();
    if secret.len() < SHORTEST {
        return;
    }
    let mut learned = LEARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if learned.insert(secret.to_ascii_lowercase()) {
        learned.extend(spellings(secret));
    }
}

/// The text without any secret that was learned, in capitals or not: host names and media types
/// are shown in lower case.
pub fn hide(text: &str) -> String {
    let learned = LEARNED.lock().unwrap_or_else(PoisonError::into_inner);
    let small = text.to_ascii_lowercase();
    let mut found: Vec<&String> = learned.iter().filter(|s| small.contains(s.as_str())).collect();
    // The longest first: one may be a part of another.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found.into_iter().fold(text.to_owned(), |text, secret| masked(&text, secret))
}

/// The text with a mask wherever `secret`, in lower case, stands in it.
fn masked(text: &str, secret: &str) -> String {
    let (mut masked, mut end) = (String::with_capacity(text.len()), 0);
    // Of the same length, letter by letter: the positions are those of the text.
    let small = text.to_ascii_lowercase();
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    for (at, _) in small.match_indices(secret) {
        let (before, behind) = (&small[..at], &small[at + secret.len()..]);
        let within = joins(before.chars().next_back()) || joins(behind.chars().next());
        if secret.len() < WORDS && within {
            continue;
        }
        masked.push_str(&text[end..at]);
        masked.push_str(MASK);
        end = at + secret.len();
    }
    masked.push_str(&text[end..]);
    masked
}

/// A text that came from elsewhere, fit to be shown: without characters that are not seen, without
/// secrets, and at most `limit` characters long. In that order: what is left out may have parted a
/// secret, and of one that was cut the rest would not be known.
pub fn foreign(text: &str, limit: usize) -> String {
    let seen: String = text.chars().filter(|c| !is_unseen(*c)).collect();
    hide(&without_signatures(&seen)).chars().take(limit).collect()
}

/// Control characters, and those that have no width.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// A typed name or address with `***` for the user and password in front of its host; `None` where
/// it has none. What stands there is remembered, so that nothing else repeats it.
pub fn userinfo(text: &str) -> Option<String> {
    let is_digest = |text: &str| text.starts_with("sha256:") || text.starts_with("sha512:");
    let (name, digest) = match text.rfind('@').filter(|at| is_digest(&text[at + 1..])) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let host = name.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = name.split_at(host);
    let (head, tail) = rest.rsplit_once('@')?;
    let is_login = match head.find([':', '/']) {
        // A token alone.
        None => tail.contains('/'),
        Some(at) if head[at..].starts_with(':') => {
            let port = head[at + 1..].split_once('/').map(|(port, _)| port);
            let is_port = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
            // `:@2` is the second image of a layout.
            head.len() > at + 1 && !port.is_some_and(is_port)
        }
        Some(_) => false,
    };
    if !is_login {
        return None;
    }
    let is_sure = !scheme.is_empty() || tail.contains('/');
    let password = match head.split_once(':') {
        // It may be a tag and a mistyped digest: no word of other messages.
        Some((_, word)) => (is_sure || word.len() >= WORDS).then_some(word),
        None => (head.len() >= TOKEN).then_some(head),
    };
    // What came in may be megabytes long; of that nothing is shown but its end.
    if let Some(password) = password.filter(|password| password.len() <= LONGEST_TYPED) {
        learn(password);
    }
    Some(format!("{scheme}{MASK}@{tail}{digest}"))
}

/// How else a text is written: in the query of an address, in a form, in JSON, and quoted in a
/// message; in lower case.
fn spellings(text: &str) -> Vec<String> {
    let query = percent(text);
    let json = serde_json::Value::from(text).to_string();
    let quoted = format!("{text:?}");
    let inner = |quoted: &str| quoted[1..quoted.len() - 1].to_owned();
    let all = [query.replace("%20", "+"), query, inner(&json), inner(&quoted)];
    all.into_iter().map(|spelled| spelled.to_ascii_lowercase()).collect()
}

/// As it stands in the query of an address.
fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().fold(String::new(), |mut all, b| {
        match plain(b) {
            true => all.push(char::from(b)),
            false => all.push_str(&format!("%{b:02X}")),
        }
        all
    })
}

/// Takes the values of `X-Amz-…=`, `Signature=` and `Credential=` out (SigV4, in the query and in
/// the header).
fn without_signatures(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let (head, tail) = rest.split_at(at + 1);
        clean.push_str(head);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name = head[..at].rsplit(|c| !word(c)).next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        rest = tail;
        if name.starts_with("x-amz-") || matches!(&*name, "signature" | "credential") {
            let ends = |c: char| c.is_whitespace() || "&,;\"'<>()".contains(c);
            let end = rest.find(ends).unwrap_or(rest.len());
            clean.push_str(if end > 0 { MASK } else { "" });
            rest = &rest[end..];
        }
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_however_it_is_spelled() {
        learn("can/ARY \"+x==");
        for text in [
            "can/ARY \"+x==",
            "can%2FARY%20%22%2Bx%3D%3D",
            "can%2fARY%20%22%2bx%3d%3d",
            "can%2FARY+%22%2Bx%3D%3D",
            "can/ARY \\\"+x==",
            "CAN/ary \"+X==",
        ] {
            assert_eq!(hide(&format!("you sent {text}.")), "you sent ***.");
        }
        learn("abc");
        assert_eq!(hide("abc"), "abc");
        learn("Te5t");
        assert_eq!(hide("te5t, latte5t, te5ted: Te5t"), "***, latte5t, te5ted: ***");
    }

    #[test]
    fn foreign_texts_are_masked_after_they_are_joined_and_before_they_are_cut() {
        learn("PARTEDsecret");
        for parted in ["PARTED\u{7}secret", "PARTED\nsec\u{200b}ret", "PART\u{feff}EDsecret"] {
            assert_eq!(foreign(parted, 40), "***");
        }
        let long = format!("{}PARTEDsecret", "A".repeat(285));
        assert_eq!(foreign(&long, 300), format!("{}***", "A".repeat(285)));
        assert_eq!(foreign(&long, 287), format!("{}**", "A".repeat(285)));
    }

    #[test]
    fn signatures_are_not_repeated() {
        for (text, hidden) in [
            (
                "bad: /b/k?X-Amz-Date=2026&x-amz-signature=abc%2F&list-type=2",
                "bad: /b/k?X-Amz-Date=***&x-amz-signature=***&list-type=2",
            ),
            (
                "AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host, Signature=00ff",
                "AWS4-HMAC-SHA256 Credential=***, SignedHeaders=host, Signature=***",
            ),
            ("X-Amz-Signature=", "X-Amz-Signature="),
            ("a == b = c", "a == b = c"),
        ] {
            assert_eq!(foreign(text, 100), hidden);
        }
    }

    #[test]
    fn typed_credentials_are_masked() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, masked) in [
            ("u:CANARYtyped@h/x", "***@h/x"),
            ("https://u:CANARYtyped@h", "https://***@h"),
            ("s3://CANARYtypedtoken@b/x:v1", "s3://***@b/x:v1"),
            ("bolt://u:CANARY/typed@h/x", "bolt://***@h/x"),
            (&format!("u:CANARYtyped@h/x@{digest}"), &format!("***@h/x@{digest}")),
        ] {
            assert_eq!(userinfo(text).as_deref(), Some(masked), "{text}");
        }
        assert_eq!(hide("CANARYtyped CANARYtypedtoken CANARY/typed"), "*** *** ***");
        let pinned = format!("localhost:5000/a/b:1@{digest}");
        for plain in
            ["a/b:1", &pinned, "s3://b/x:@2", "localhost:5000/a@b", "s3://b/a@b/c:v", "a@b"]
        {
            assert_eq!(userinfo(plain), None, "{plain}");
        }
        assert_eq!(userinfo("somebody@h/x").as_deref(), Some("***@h/x"));
        assert_eq!(userinfo("alpine:latest@bad").as_deref(), Some("***@bad"));
        assert_eq!(hide("somebody latest"), "somebody latest");
    }
}
