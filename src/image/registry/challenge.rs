//! `WWW-Authenticate` (RFC 9110 section 11): one or several challenges in one field.

/// One way in that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Scheme in lower case: `basic`, `bearer`.
    pub(super) scheme: String,
    /// Parameters with lower-case names, quoting undone. A token68 is left out.
    params: Vec<(String, String)>,
}

impl Challenge {
    /// The first parameter of that (lower-case) name.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Reads all challenges of one field value; what is malformed is passed over to the next comma.
pub(super) fn parse(value: &str) -> Vec<Challenge> {
    let mut text = Cursor(value);
    let mut found: Vec<Challenge> = Vec::new();
    loop {
        text.skip(|c| c == ',' || c == ' ' || c == '\t');
        if text.0.is_empty() {
            return found;
        }
        let word = text.take(is_token);
        if word.is_empty() {
            text.skip_element();
            continue;
        }
        match (text.value(), found.last_mut()) {
            (Some(value), Some(challenge)) => {
                challenge.params.push((word.to_ascii_lowercase(), value));
            }
            (Some(_), None) => {}
            (None, _) => {
                found.push(Challenge { scheme: word.to_ascii_lowercase(), params: Vec::new() });
                text.skip_token68();
            }
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn take(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !of(c)).unwrap_or(self.0.len());
        let (head, tail) = self.0.split_at(end);
        self.0 = tail;
        head
    }

    fn skip(&mut self, of: impl Fn(char) -> bool) {
        self.take(of);
    }

    /// Goes to the comma that ends this list element, past quoted strings.
    fn skip_element(&mut self) {
        while !self.0.is_empty() && !self.0.starts_with(',') {
            if self.0.starts_with('"') {
                self.quoted();
            } else {
                let mut chars = self.0.chars();
                chars.next();
                self.0 = chars.as_str();
            }
        }
    }

    /// `= value` behind a parameter's name; nothing is consumed when there is none.
    fn value(&mut self) -> Option<String> {
        let mut ahead = Cursor(self.0.trim_start_matches([' ', '\t']));
        ahead.0 = ahead.0.strip_prefix('=')?.trim_start_matches([' ', '\t']);
        let value = if ahead.0.starts_with('"') {
            ahead.quoted()
        } else {
            ahead.take(|c| is_token(c) || "/:=@?".contains(c)).to_owned()
        };
        self.0 = ahead.0;
        Some(value)
    }

    fn quoted(&mut self) -> String {
        let mut value = String::new();
        let mut chars = self.0.chars();
        chars.next();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => value.extend(chars.next()),
                c => value.push(c),
            }
        }
        self.0 = chars.as_str();
        value
    }

    /// Passes over `scheme token68`, so that its padding is not taken for a parameter.
    fn skip_token68(&mut self) {
        let mut ahead = Cursor(self.0.trim_start_matches([' ', '\t']));
        let word = ahead.take(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        ahead.skip(|c| c == '=');
        ahead.skip(|c| c == ' ' || c == '\t');
        if !word.is_empty() && (ahead.0.is_empty() || ahead.0.starts_with(',')) {
            self.0 = ahead.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(value: &str) -> Vec<(String, Vec<(String, String)>)> {
        parse(value).into_iter().map(|c| (c.scheme, c.params)).collect()
    }

    fn want(list: &[(&str, &[(&str, &str)])]) -> Vec<(String, Vec<(String, String)>)> {
        let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        list.iter().map(|(s, p)| ((*s).to_owned(), p.iter().map(own).collect())).collect()
    }

    #[test]
    fn reads_what_servers_send() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a [(&'a str, &'a str)])]);
        let cases: &[Case] = &[
            (
                r#"Bearer realm="https://a/token",service="r",scope="repository:a/b:pull,push""#,
                &[(
                    "bearer",
                    &[
                        ("realm", "https://a/token"),
                        ("service", "r"),
                        ("scope", "repository:a/b:pull,push"),
                    ],
                )],
            ),
            (
                r#"Basic realm="a \"b\", c", Bearer realm=https://x/y"#,
                &[("basic", &[("realm", "a \"b\", c")]), ("bearer", &[("realm", "https://x/y")])],
            ),
            // The example of RFC 9110 section 11.6.1.
            (
                r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#,
                &[
                    ("basic", &[("realm", "simple")]),
                    (
                        "newauth",
                        &[("realm", "apps"), ("type", "1"), ("title", "Login to \"apps\"")],
                    ),
                ],
            ),
            ("Negotiate", &[("negotiate", &[])]),
            (
                "Negotiate YWJj==, Basic realm=x",
                &[("negotiate", &[]), ("basic", &[("realm", "x")])],
            ),
            (
                r#"BEARER Realm = "r" ,,SERVICE="s""#,
                &[("bearer", &[("realm", "r"), ("service", "s")])],
            ),
            (r#"Bearer realm="unterminated"#, &[("bearer", &[("realm", "unterminated")])]),
            (r#"realm="nobody""#, &[]),
            ("", &[]),
            (", ,\t", &[]),
            (r#"@@"a,b", Basic realm="x""#, &[("basic", &[("realm", "x")])]),
        ];
        for (text, expected) in cases {
            assert_eq!(shape(text), want(expected), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in r#"([A-Za-z]{0,3}|[ ,=\\"]|\PC){0,40}"#) {
            let _ = parse(&text);
        }
    }
}
