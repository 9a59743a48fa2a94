//! Servers that repeat what they were told in confidence: none of it reaches an error or a file.

use super::{Machine, password, text};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::s3::{BUCKET, S3, SECRET};
use bolt::image::config::drift::CredentialSource;
use bolt::image::progress::Silent;
use bolt::image::pull::tags;
use bolt::image::reference::Reference;
use bolt::image::s3::credentials::AwsPlaces;
use bolt::image::s3::place::Place;

const NOWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 1);
const PASSWORD: &str = "canary&pass";
/// `me` and the password.
const BASIC: &str = "bWU6Y2FuYXJ5JnBhc3M=";

fn answer(status: &str, headers: &[(&str, String)], body: String) -> Fault {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    Fault::Answer(status.to_owned(), headers, body)
}

/// Pulls from `proxy` with a password; the error.
fn pulled(proxy: &Proxy) -> String {
    let machine = Machine::new();
    machine.auth.store(&proxy.host(), &password("me", PASSWORD)).unwrap();
    let mut request = machine.request(&format!("{}/box:1", proxy.host()));
    request.patience.retries = 0;
    let error = machine.pull(&request).0.unwrap_err();
    format!("{} {error:?}", text(&error))
}

#[test]
fn a_registry_that_repeats_the_password_or_a_token() {
    for bearer in [false, true] {
        let proxy = Proxy::start(NOWHERE.into(), move |request, _| {
            let host = request.headers["host"].clone();
            let how = match bearer {
                true => format!("Bearer realm=\"http://{host}/token\",service=\"s\""),
                false => "Basic realm=\"r\"".to_owned(),
            };
            if request.path.starts_with("/token") {
                return answer("200 OK", &[], r#"{"token":"CANARYtoken"}"#.to_owned());
            }
            let Some(sent) = request.headers.get("authorization") else {
                return answer("401 Unauthorized", &[("WWW-Authenticate", how)], String::new());
            };
            let said = format!("you sent {sent}, which is {PASSWORD} or canary%26pass");
            let body = serde_json::json!({"errors": [{"code": "DENIED", "message": said}]});
            answer("403 Forbidden", &[], body.to_string())
        });
        let message = pulled(&proxy);
        assert!(message.contains("DENIED: you sent B") && message.contains("***"), "{message}");
        for secret in [PASSWORD, BASIC, "CANARYtoken", "canary%26pass"] {
            assert!(!message.contains(secret), "{message}");
        }
    }
}

#[test]
fn a_registry_that_redirects_to_the_password() {
    let proxy =
        Proxy::start(NOWHERE.into(), |request, _| match request.headers.get("authorization") {
            None if request.path.starts_with("/v2/") => {
                let how = "Basic realm=\"r\"".to_owned();
                answer("401 Unauthorized", &[("WWW-Authenticate", how)], String::new())
            }
            Some(sent) if request.path.starts_with("/v2/") => {
                let to = format!("/seen/{}/{PASSWORD}", sent.trim_start_matches("Basic "));
                answer("307 Temporary Redirect", &[("Location", to)], String::new())
            }
            _ => answer("500 Broken", &[], String::new()),
        });
    let message = pulled(&proxy);
    assert!(message.contains("/seen/***/***"), "{message}");
}

#[test]
fn a_bucket_that_repeats_tokens_and_signatures() {
    let variables = |name: &str| {
        let value = match name {
            "AWS_ACCESS_KEY_ID" => "boltkey",
            "AWS_SECRET_ACCESS_KEY" => SECRET,
            "AWS_SESSION_TOKEN" => "CANARY/tok",
            _ => return None,
        };
        Some(value.to_owned())
    };
    for presigned in [false, true] {
        let proxy = Proxy::start(NOWHERE.into(), |request, _| {
            let none = String::new();
            let sent = |name: &str| request.headers.get(name).unwrap_or(&none).clone();
            let body = format!(
                "<Error><Code>AccessDenied</Code><Message>tok {} {} at {}</Message></Error>",
                sent("x-amz-security-token"),
                sent("authorization"),
                request.path.replace('&', "&amp;")
            );
            answer("403 Forbidden", &[], body)
        });
        let machine = Machine::new();
        let aws = AwsPlaces::from_variables(variables, &machine.dir.join("home"));
        let caller = aws.caller("127.0.0.1", &CredentialSource::Environment, None).unwrap();
        let place = S3::place(&format!("http://{}", proxy.host()), "box");
        let name = format!("s3://{BUCKET}/box:v1");
        let mut request = machine.request(&name);
        request.buckets.named = Some(Place { caller, presigned, ..place });
        let error = machine.pull(&request).0.unwrap_err();
        let message = format!("{} {error:?}", text(&error));
        assert!(message.contains("AccessDenied: tok"), "{message}");
        let sent = &proxy.requests()[0];
        let all = format!("{} {}", sent.path, sent.headers.get("authorization").map_or("", |a| a));
        let signature = all.split("Signature=").nth(1).unwrap();
        let signature: String = signature.chars().take_while(char::is_ascii_hexdigit).collect();
        assert_eq!(signature.len(), 64, "{all}");
        for secret in ["CANARY", &signature, SECRET] {
            assert!(!message.contains(secret), "{presigned}: {message}");
        }
    }
}

#[test]
fn a_bucket_that_repeats_a_token_in_pieces() {
    let token = "CANARYinSESSIONPIECES/+x==";
    let variables = |name: &str| {
        let value = match name {
            "AWS_ACCESS_KEY_ID" => "boltkey",
            "AWS_SECRET_ACCESS_KEY" => SECRET,
            "AWS_SESSION_TOKEN" => token,
            _ => return None,
        };
        Some(value.to_owned())
    };
    let said = "<Error><Code>Access&#7;Denied</Code><Message>CANARYin&#7;SESSION&#x200b;PIECES/+x==\
                </Message></Error>";
    let proxy = Proxy::start(NOWHERE.into(), |_, _| answer("403 Forbidden", &[], said.to_owned()));
    let machine = Machine::new();
    let aws = AwsPlaces::from_variables(variables, &machine.dir.join("home"));
    let message = of_bucket(&machine, &proxy, &aws, &CredentialSource::Environment);
    assert!(message.contains("AccessDenied: ***"), "{message}");
    assert!(!message.contains("PIECES"), "{message}");
}

/// What a pull from the bucket behind `proxy` says.
fn of_bucket(
    machine: &Machine,
    proxy: &Proxy,
    aws: &AwsPlaces,
    source: &CredentialSource,
) -> String {
    let caller = aws.caller("127.0.0.1", source, None).unwrap();
    let place = S3::place(&format!("http://{}", proxy.host()), "box");
    let name = format!("s3://{BUCKET}/box:v1");
    let mut request = machine.request(&name);
    request.patience.retries = 0;
    request.buckets.aws = aws;
    request.buckets.named = Some(Place { caller, ..place });
    let error = machine.pull(&request).0.unwrap_err();
    format!("{} {error:?}", text(&error))
}

#[test]
fn a_token_service_that_repeats_the_web_identity() {
    let machine = Machine::new();
    let file = machine.dir.join("token");
    std::fs::write(&file, "CANARYwebIDENTITY\n").unwrap();
    let said = "<ErrorResponse><Error><Code>CANARYweb&#7;IDENTITY</Code></Error></ErrorResponse>";
    let proxy =
        Proxy::start(NOWHERE.into(), |_, _| answer("400 Bad Request", &[], said.to_owned()));
    let variables = |name: &str| match name {
        "AWS_WEB_IDENTITY_TOKEN_FILE" => Some(file.display().to_string()),
        "AWS_ROLE_ARN" => Some("arn:aws:iam::1:role/box".to_owned()),
        "AWS_ENDPOINT_URL_STS" => Some(format!("http://{}", proxy.host())),
        _ => None,
    };
    let aws = AwsPlaces::from_variables(variables, &machine.dir.join("home"));
    let message = of_bucket(&machine, &proxy, &aws, &CredentialSource::WebIdentity);
    assert!(message.contains("400 ***") && !message.contains("IDENTITY"), "{message}");
}

/// A registry that wants a password and then answers with what `say` makes of it.
fn repeating(say: impl Fn(&str) -> Fault + Send + Sync + 'static) -> Proxy {
    Proxy::start(NOWHERE.into(), move |request, _| match request.headers.get("authorization") {
        None => {
            let how = "Basic realm=\"r\"".to_owned();
            answer("401 Unauthorized", &[("WWW-Authenticate", how)], String::new())
        }
        Some(_) => say(PASSWORD),
    })
}

#[test]
fn a_registry_whose_message_is_cut_within_the_password() {
    let proxy = repeating(|password| {
        let said = format!("{}{password}", "A".repeat(285));
        let body = serde_json::json!({"errors": [{"code": "DENIED", "message": said}]});
        answer("403 Forbidden", &[], body.to_string())
    });
    let message = pulled(&proxy);
    assert!(message.contains("AAAA") && !message.contains("cana"), "{message}");
}

#[test]
fn a_registry_that_repeats_the_password_in_a_document() {
    const KIND: &str = "application/vnd.oci.image.manifest.v1+json";
    let long = "x".repeat(100_000);
    for (kind, body) in [
        (KIND, format!(r#"{{"schemaVersion":"{PASSWORD}"}}"#)),
        (KIND, format!(r#"{{"schemaVersion":2,"mediaType":"{PASSWORD}"}}"#)),
        (KIND, format!(r#"{{"schemaVersion":2,"mediaType":"{long}{PASSWORD}"}}"#)),
        (KIND, format!(r#"{{"schemaVersion":2,"layers":"{long}{PASSWORD}"}}"#)),
        (PASSWORD, r#"{"schemaVersion":2}"#.to_owned()),
        ("CANARY&PASS", r#"{"schemaVersion":2}"#.to_owned()),
    ] {
        let proxy = repeating(move |_| {
            answer("200 OK", &[("Content-Type", kind.to_owned())], body.clone())
        });
        let message = pulled(&proxy);
        assert!(message.len() < 3000, "{} bytes: {message:.300}", message.len());
        assert!(!message.contains("canary"), "{message}");
    }
}

#[test]
fn a_registry_that_repeats_the_password_in_a_list() {
    let proxy = repeating(|password| {
        answer("200 OK", &[], format!(r#"{{"name":"box","tags":"{password}"}}"#))
    });
    let machine = Machine::new();
    machine.auth.store(&proxy.host(), &password("me", PASSWORD)).unwrap();
    let request = machine.request(&format!("{}/box:1", proxy.host()));
    let reference = Reference::parse(&format!("{}/box:1", proxy.host())).unwrap();
    let error = tags(&request, &reference, &Silent).unwrap_err();
    let message = format!("{} {error:?}", text(&error));
    assert!(message.contains("tags: invalid type: string \"***"), "{message}");
    assert!(!message.contains("canary"), "{message}");
}
