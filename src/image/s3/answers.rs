//! What S3 answers, as values: XML by the S3 API reference, and the JSON of the same shape that
//! Ghostbay sends instead.

use super::credentials::Keys;
use super::xml::{self, BadXml, Element};
use crate::image::config::auth::Secret;
use crate::ui::json_fault;
use crate::ui::redact::foreign;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A part of a bucket's list of objects (`ListObjectsV2`).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct List {
    /// Keys and sizes, in the server's order.
    pub objects: Vec<Object>,
    /// What to ask the next part with.
    pub next: Option<String>,
}

/// One object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its whole key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
}

/// What an error's body says; all empty when it says nothing that is understood.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// S3's error code, `NoSuchKey`.
    pub code: String,
    /// For people.
    pub message: String,
    /// The region that the server wants.
    pub region: Option<String>,
    /// Its time, where it says that ours differs too much.
    pub server_time: Option<String>,
}

impl Trouble {
    /// As it may be shown: the server may have repeated a secret, in pieces or at any length.
    fn fit(self) -> Self {
        let Trouble { code, message, region, server_time } = self;
        let region = region.map(|region| foreign(&region, 60));
        let (code, message) = (foreign(&code, 60), foreign(&message, 300));
        Trouble { code, message, region, server_time }
    }
}

fn is_json(bytes: &[u8]) -> bool {
    bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{')
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BadXml> {
    json_fault::read(bytes).map_err(|e| BadXml(format!("JSON, but not as expected ({e})")))
}

/// Reads a list.
///
/// Errors: neither S3's XML nor JSON of the same shape, a size that is no number, a list that is
/// cut and does not say where it goes on.
pub fn list(bytes: &[u8]) -> Result<List, BadXml> {
    if is_json(bytes) {
        return list_of_json(bytes);
    }
    let root = expected(bytes, "ListBucketResult")?;
    let mut list = List::default();
    for object in root.children.iter().filter(|c| c.name == "Contents") {
        let key = object.text_of("Key").ok_or_else(|| lacks("Contents", "Key"))?.to_owned();
        let size = object.text_of("Size").unwrap_or("0");
        let size = size.parse().map_err(|_| BadXml(format!("the size of {key:?} is no number")))?;
        list.objects.push(Object { key, size });
    }
    if root.text_of("IsTruncated") == Some("true") {
        let next = root.text_of("NextContinuationToken");
        list.next = Some(next.ok_or_else(|| lacks("list", "NextContinuationToken"))?.to_owned());
    }
    Ok(list)
}

fn list_of_json(bytes: &[u8]) -> Result<List, BadXml> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Whole {
        #[serde(default)]
        contents: Vec<One>,
        #[serde(default)]
        is_truncated: bool,
        next_continuation_token: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct One {
        key: String,
        #[serde(default)]
        size: u64,
    }
    let whole: Whole = json(bytes)?;
    let object = |one: One| Object { key: one.key, size: one.size };
    let objects = whole.contents.into_iter().map(object).collect();
    Ok(List { objects, next: whole.next_continuation_token.filter(|_| whole.is_truncated) })
}

/// The id of a multipart upload that has begun.
pub(super) fn upload_id(bytes: &[u8]) -> Result<String, BadXml> {
    if is_json(bytes) {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Whole {
            upload_id: String,
        }
        return Ok(json::<Whole>(bytes)?.upload_id);
    }
    let root = expected(bytes, "InitiateMultipartUploadResult")?;
    let id = root.text_of("UploadId").ok_or_else(|| lacks("upload", "UploadId"))?;
    Ok(id.to_owned())
}

/// A part of a multipart upload that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// From 1.
    pub(super) number: u32,
    /// Some servers do not tell it.
    pub(super) etag: Option<String>,
    pub(super) size: u64,
}

/// The parts of an upload (`ListParts`), and the number after which to ask for more.
pub(super) fn parts(bytes: &[u8]) -> Result<(Vec<Part>, Option<u32>), BadXml> {
    let root = expected(bytes, "ListPartsResult")?;
    let mut parts = Vec::new();
    for part in root.children.iter().filter(|c| c.name == "Part") {
        let number = |name| {
            part.text_of(name).and_then(|t| t.parse().ok()).ok_or_else(|| lacks("Part", name))
        };
        let etag = part.text_of("ETag").map(str::to_owned);
        let size = number("Size")?;
        let number = u32::try_from(number("PartNumber")?).unwrap_or(0);
        parts.push(Part { number, etag, size });
    }
    let cut = root.text_of("IsTruncated") == Some("true");
    let next = root.text_of("NextPartNumberMarker").and_then(|t| t.parse().ok());
    Ok((parts, next.filter(|_| cut)))
}

/// What an error's body says.
pub fn trouble(bytes: &[u8]) -> Trouble {
    if is_json(bytes) {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Whole {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        return json::<Whole>(bytes).map_or_else(
            |_| Trouble::default(),
            |w| Trouble { code: w.code, message: w.message, ..Trouble::default() }.fit(),
        );
    }
    match xml::parse(bytes) {
        Ok(root) => trouble_in(&root).unwrap_or_default(),
        Err(_) => Trouble::default(),
    }
}

fn trouble_in(root: &Element) -> Option<Trouble> {
    let error = match root.name.as_str() {
        "Error" => root,
        // The token service wraps its errors.
        "ErrorResponse" => root.child("Error")?,
        _ => return None,
    };
    let text = |name| error.text_of(name).unwrap_or_default().to_owned();
    let region = error.text_of("Region").map(str::to_owned);
    let server_time = error.text_of("ServerTime").map(str::to_owned);
    Some(Trouble { code: text("Code"), message: text("Message"), region, server_time }.fit())
}

/// The keys of a session and when they end (`AssumeRoleWithWebIdentity`).
pub(super) fn session(bytes: &[u8]) -> Result<(Keys, Option<String>), BadXml> {
    let root = expected(bytes, "AssumeRoleWithWebIdentityResponse")?;
    let found = root.child("AssumeRoleWithWebIdentityResult").and_then(|r| r.child("Credentials"));
    let found = found.ok_or_else(|| lacks("answer", "Credentials"))?;
    let text = |name: &'static str| {
        found.text_of(name).map(str::to_owned).ok_or_else(|| lacks("Credentials", name))
    };
    let keys = Keys {
        access_key: text("AccessKeyId")?,
        secret: Secret::new(text("SecretAccessKey")?),
        token: Some(Secret::new(text("SessionToken")?)),
    };
    Ok((keys, found.text_of("Expiration").map(str::to_owned)))
}

fn expected(bytes: &[u8], name: &str) -> Result<Element, BadXml> {
    let root = xml::parse(bytes)?;
    if root.name == name {
        return Ok(root);
    }
    Err(BadXml(match trouble_in(&root) {
        Some(trouble) => format!("{}: {}", trouble.code, trouble.message),
        None => format!("{:?} instead of {name:?}", root.name.chars().take(60).collect::<String>()),
    }))
}

fn lacks(what: &str, name: &str) -> BadXml {
    BadXml(format!("{what} without {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_as_xml_and_as_json() {
        let xml = b"<ListBucketResult><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>t+1</NextContinuationToken>\
            <Contents><Key>a</Key><Size>3</Size></Contents></ListBucketResult>";
        let json = br#" {"IsTruncated":true,"NextContinuationToken":"t+1","KeyCount":1,
            "Contents":[{"Key":"a","Size":3,"ETag":"x"}]}"#;
        let expected = List {
            objects: vec![Object { key: "a".to_owned(), size: 3 }],
            next: Some("t+1".to_owned()),
        };
        assert_eq!(list(xml).unwrap(), expected);
        assert_eq!(list(json).unwrap(), expected);
        assert_eq!(list(b"<ListBucketResult/>").unwrap(), List::default());
        for (bad, says) in [
            (&b"<X/>"[..], "\"X\" instead of"),
            (b"<Error><Code>C</Code><Message>m</Message></Error>", "C: m"),
            (b"<ListBucketResult><Contents/></ListBucketResult>", "Contents without Key"),
            (
                b"<ListBucketResult><Contents><Key>k</Key><Size>x</Size></Contents></ListBucketResult>",
                "size of \"k\"",
            ),
            (b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "list without"),
            (br#"{"Contents":3}"#, "JSON, but not"),
        ] {
            let error = list(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn errors_are_understood_in_each_form() {
        let xml = b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message>\
            <Region>eu-west-1</Region></Error>";
        assert_eq!(trouble(xml).region.as_deref(), Some("eu-west-1"));
        assert_eq!(trouble(br#"{"Code":"NoSuchKey","Message":"gone"}"#).code, "NoSuchKey");
        let sts =
            b"<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error></ErrorResponse>";
        assert_eq!(trouble(sts).code, "ExpiredTokenException");
        for nothing in [&b""[..], b"<html>", b"{", b"<Other/>"] {
            assert_eq!(trouble(nothing), Trouble::default());
        }
    }

    #[test]
    fn uploads_and_sessions_are_read() {
        let xml = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(upload_id(xml).unwrap(), "u");
        assert_eq!(upload_id(br#"{"UploadId":"u"}"#).unwrap(), "u");
        let listed = b"<ListPartsResult><IsTruncated>true</IsTruncated>\
            <NextPartNumberMarker>1</NextPartNumberMarker><Part><PartNumber>1</PartNumber>\
            <ETag>\"e\"</ETag><Size>5</Size></Part></ListPartsResult>";
        let part = Part { number: 1, etag: Some("\"e\"".to_owned()), size: 5 };
        assert_eq!(parts(listed).unwrap(), (vec![part], Some(1)));
        let answer = b"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>\
            <Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey>\
            <SessionToken>T</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>\
            </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
        let (keys, until) = session(answer).unwrap();
        assert_eq!((&*keys.access_key, until.unwrap().len()), ("A", 20));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = (list(&bytes), trouble(&bytes), parts(&bytes), session(&bytes));
        }
    }
}
