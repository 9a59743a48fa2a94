//! XML as S3 speaks it: the only file that knows the parser. Documents come whole, bounded by who
//! read them; entities but XML's own five and document types are refused.

use crate::ui::redact::foreign;
use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, Event};

/// Elements that may lie in one another; S3 has four.
const MAX_DEPTH: usize = 16;
/// Elements of a document; a list of 1000 keys has about 10,000.
const MAX_ELEMENTS: usize = 100_000;

/// Why a document is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the XML of S3: {0}")]
pub struct BadXml(pub(super) String);

impl BadXml {
    /// The same, without secrets that the server repeated.
    pub(super) fn without_secrets(self) -> Self {
        BadXml(foreign(&self.0, 300))
    }
}

/// An element: namespaces and attributes are passed over.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    /// Its own text, without blanks around it.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    /// The text of the first child of that name, unless it is empty.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.as_str()).filter(|t| !t.is_empty())
    }
}

/// The outermost element of a document.
///
/// Errors: malformed, too deep, too many elements, a document type.
pub(super) fn parse(bytes: &[u8]) -> Result<Element, BadXml> {
    let bad = |reason: &str| BadXml(reason.to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut count = 0;
    let mut root: Option<Element> = None;
    loop {
        let event = reader.read_event().map_err(|e| BadXml(e.to_string()))?;
        if root.is_some() && matches!(event, Event::Start(_) | Event::Empty(_)) {
            return Err(bad("a second outermost element"));
        }
        match event {
            Event::Start(start) => {
                count += 1;
                if open.len() == MAX_DEPTH || count > MAX_ELEMENTS {
                    return Err(bad("too many elements"));
                }
                let name = start.local_name().into_inner().to_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::Empty(start) => {
                count += 1;
                if count > MAX_ELEMENTS {
                    return Err(bad("too many elements"));
                }
                let name = start.local_name().into_inner().to_owned();
                close(Element { name, ..Element::default() }, &mut open, &mut root);
            }
            Event::End(_) => {
                let element = open.pop().ok_or_else(|| bad("an end without a beginning"))?;
                close(element, &mut open, &mut root);
            }
            Event::Text(text) => push(&mut open, &text.xml10_content()),
            Event::CData(text) => push(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let text = resolve(&reference).ok_or_else(|| bad("an unknown entity"))?;
                push(&mut open, &text);
            }
            Event::DocType(_) => return Err(bad("a document type")),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err(bad("it is cut off")),
    }
}

fn close(mut element: Element, open: &mut [Element], root: &mut Option<Element>) {
    element.text = element.text.trim().to_owned();
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolve(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}

/// The body that ends a multipart upload: part numbers from 1 with their ETags.
pub(super) fn complete_multipart(etags: &[String]) -> String {
    let mut text =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (n, etag) in etags.iter().enumerate() {
        let etag = escape(etag.as_str());
        text.push_str(&format!(
            "<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>",
            n + 1
        ));
    }
    text.push_str("</CompleteMultipartUpload>");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        let text = b"<?xml version=\"1.0\"?>\n<!-- c --><L xmlns=\"http://s3/\"><Name>b</Name>\
            <Contents><Key>a&amp;b&#x41;<![CDATA[<c>]]></Key><Size> 5 </Size></Contents>\
            <Contents><Key>z</Key></Contents><Empty/></L>\n";
        let list = parse(text).unwrap();
        assert_eq!(list.name, "L");
        let keys: Vec<_> = list
            .children
            .iter()
            .filter(|c| c.name == "Contents")
            .map(|c| c.text_of("Key"))
            .collect();
        assert_eq!(keys, [Some("a&bA<c>"), Some("z")]);
        assert_eq!(list.child("Contents").unwrap().text_of("Size"), Some("5"));
        assert_eq!(list.text_of("Empty"), None);
        assert!(list.child("Empty").is_some());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(17);
        let many = format!("<r>{}</r>", "<a/>".repeat(MAX_ELEMENTS + 1));
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a>&other;</a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            &deep,
            &many,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{:.40}", bad);
        }
        assert!(parse(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn parts_are_listed() {
        assert_eq!(
            complete_multipart(&["\"x&\"".to_owned(), "y".to_owned()]),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part>\
             <PartNumber>1</PartNumber><ETag>&quot;x&amp;&quot;</ETag></Part><Part>\
             <PartNumber>2</PartNumber><ETag>y</ETag></Part></CompleteMultipartUpload>"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in r"\PC{0,200}") {
            let _ = parse(text.as_bytes());
        }
    }
}
