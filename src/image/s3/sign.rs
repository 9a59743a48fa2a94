//! AWS Signature Version 4 for S3: in headers, and in the query of a presigned address.
//!
//! Source: AWS, "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference, whose
//! examples are the tests below. Nothing here knows the network or the clock.

use super::credentials::Keys;
use ring::{digest, hmac};
use std::fmt::Write;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What stands for the body's hash in a presigned address.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Longest life of a presigned address, in seconds (seven days, by AWS).
pub(super) const LONGEST_LIFE: u32 = 604_800;

/// What is signed of a request.
#[derive(Debug)]
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    /// `host[:port]` as the Host header has it.
    pub(super) host: &'a str,
    /// Percent-encoded by [`encode_path`].
    pub(super) path: &'a str,
    /// Not encoded, in any order.
    pub(super) query: &'a [(String, String)],
    /// Lower-case names; without `host`, and without what signing adds.
    pub(super) headers: &'a [(&'static str, String)],
}

/// Signs for one region of S3.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    pub(super) keys: &'a Keys,
    pub(super) region: &'a str,
    /// Seconds since 1970, UTC.
    pub(super) now: i64,
}

impl Signer<'_> {
    /// The headers that make `request` with this `body` an authenticated one.
    pub(super) fn headers(
        &self,
        request: &Unsigned<'_>,
        body: &[u8],
    ) -> Vec<(&'static str, String)> {
        let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
        let mut added = vec![("x-amz-content-sha256", hash.clone()), ("x-amz-date", self.time())];
        if let Some(token) = &self.keys.token {
            added.push(("x-amz-security-token", token.expose().to_owned()));
        }
        let mut signed: Vec<(&str, &str)> = vec![("host", request.host)];
        let all = request.headers.iter().chain(&added);
        signed.extend(all.map(|(name, value)| (*name, value.as_str())));
        signed.sort_unstable();
        let names = names(&signed);
        let query = encode_query(request.query);
        let signature = self.signature(request, &query, &signed, &names, &hash);
        let scope = self.scope();
        let key = &self.keys.access_key;
        let value = format!(
            "{ALGORITHM} Credential={key}/{scope},SignedHeaders={names},Signature={signature}"
        );
        added.push(("authorization", value));
        added
    }

    /// The query that makes `request` one that anybody may send within `life` seconds. Its headers
    /// are signed too and must be sent as they are.
    pub(super) fn presigned_query(&self, request: &Unsigned<'_>, life: u32) -> String {
        let mut signed: Vec<(&str, &str)> = vec![("host", request.host)];
        signed.extend(request.headers.iter().map(|(name, value)| (*name, value.as_str())));
        signed.sort_unstable();
        let names = names(&signed);
        let mut query = request.query.to_vec();
        let mut add = |name: &str, value: String| query.push((name.to_owned(), value));
        add("X-Amz-Algorithm", ALGORITHM.to_owned());
        add("X-Amz-Credential", format!("{}/{}", self.keys.access_key, self.scope()));
        add("X-Amz-Date", self.time());
        add("X-Amz-Expires", life.min(LONGEST_LIFE).to_string());
        add("X-Amz-SignedHeaders", names.clone());
        if let Some(token) = &self.keys.token {
            add("X-Amz-Security-Token", token.expose().to_owned());
        }
        let query = encode_query(&query);
        let signature = self.signature(request, &query, &signed, &names, UNSIGNED);
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn signature(
        &self,
        request: &Unsigned<'_>,
        query: &str,
        headers: &[(&str, &str)],
        names: &str,
        hash: &str,
    ) -> String {
        let mut canonical = format!("{}\n{}\n{query}\n", request.method, request.path);
        for (name, value) in headers {
            let value: Vec<&str> = value.split_ascii_whitespace().collect();
            let _ = writeln!(canonical, "{name}:{}", value.join(" "));
        }
        let _ = write!(canonical, "\n{names}\n{hash}");
        let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("{ALGORITHM}\n{}\n{}\n{canonical}", self.time(), self.scope());
        let secret = format!("AWS4{}", self.keys.secret.expose());
        let mut key = mac(secret.as_bytes(), &self.time()[..8]);
        for part in [self.region, "s3", "aws4_request"] {
            key = mac(key.as_ref(), part);
        }
        hex(mac(key.as_ref(), &text).as_ref())
    }

    fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", &self.time()[..8], self.region)
    }

    /// ISO 8601 without separators.
    fn time(&self) -> String {
        let (days, rest) = (self.now.div_euclid(86_400), self.now.rem_euclid(86_400));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
fn date(days: i64) -> (i64, i64, i64) {
    // Counted from 0000-03-01: the leap day is the last of its year, and 400 years repeat.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (year + era * 400, month, day)
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn names(headers: &[(&str, &str)]) -> String {
    headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
}

/// Pairs as SigV4 wants them: encoded, then sorted.
pub(super) fn encode_query(pairs: &[(String, String)]) -> String {
    let mut encoded: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| (encode(name, false), encode(value, false))).collect();
    encoded.sort();
    encoded.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// An object's path; slashes stay.
pub(super) fn encode_path(path: &str) -> String {
    encode(path, true)
}

/// Everything but RFC 3986's unreserved characters becomes `%XX`.
fn encode(text: &str, slashes: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            b'/' if slashes => encoded.push('/'),
            byte => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::auth::Secret;

    /// The keys, time and bucket of AWS's examples.
    fn keys() -> Keys {
        Keys {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            token: None,
        }
    }

    const HOST: &str = "examplebucket.s3.amazonaws.com";
    /// 2013-05-24 00:00:00 UTC.
    const NOW: i64 = 1_369_353_600;

    fn signature(
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> String {
        let keys = keys();
        let signer = Signer { keys: &keys, region: "us-east-1", now: NOW };
        let query: Vec<_> = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        let path = encode_path(path);
        let request =
            Unsigned { method, host: HOST, path: &path, query: &query, headers: &headers };
        let added = signer.headers(&request, body.as_bytes());
        let value = &added.iter().find(|(name, _)| *name == "authorization").unwrap().1;
        value.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn the_examples_of_aws_are_signed_as_aws_signs_them() {
        assert_eq!(
            signature("GET", "/test.txt", &[], &[("range", "bytes=0-9")], ""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        assert_eq!(
            signature("PUT", "/test$file.text", &[], &headers, "Welcome to Amazon S3."),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature("GET", "/", &[("lifecycle", "")], &[], ""),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature("GET", "/", &[("prefix", "J"), ("max-keys", "2")], &[], ""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn the_presigned_example_of_aws_is_signed_as_aws_signs_it() {
        let keys = keys();
        let signer = Signer { keys: &keys, region: "us-east-1", now: NOW };
        let request =
            Unsigned { method: "GET", host: HOST, path: "/test.txt", query: &[], headers: &[] };
        assert_eq!(
            signer.presigned_query(&request, 86_400),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
        assert!(signer.presigned_query(&request, u32::MAX).contains("X-Amz-Expires=604800&"));
    }

    #[test]
    fn a_session_token_is_sent_and_signed() {
        let keys = Keys { token: Some(Secret::new("tok/en")), ..keys() };
        let signer = Signer { keys: &keys, region: "us-east-1", now: NOW };
        let request = Unsigned { method: "GET", host: HOST, path: "/", query: &[], headers: &[] };
        let added = signer.headers(&request, b"");
        assert!(added.contains(&("x-amz-security-token", "tok/en".to_owned())));
        let value = &added.last().unwrap().1;
        assert!(value.contains("x-amz-date;x-amz-security-token,"), "{value}");
        assert!(signer.presigned_query(&request, 60).contains("&X-Amz-Security-Token=tok%2Fen&"));
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        let keys = keys();
        let time = |now| Signer { keys: &keys, region: "r", now }.time();
        assert_eq!(time(0), "19700101T000000Z");
        assert_eq!(time(1_709_208_000), "20240229T120000Z");
        assert_eq!(time(1_709_251_200), "20240301T000000Z");
        assert_eq!(time(4_102_444_799), "20991231T235959Z");
    }

    #[test]
    fn paths_and_queries_are_encoded() {
        assert_eq!(encode_path("/a b/sha256:1+2=~é"), "/a%20b/sha256%3A1%2B2%3D~%C3%A9");
        let pairs = [("b", "x/y"), ("a", ""), ("b", "c d")];
        let pairs = pairs.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(encode_query(&pairs), "a=&b=c%20d&b=x%2Fy");
    }
}
