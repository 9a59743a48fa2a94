//! Servers that repeat what they were told in confidence: none of it reaches an error or a file.

use super::{Machine, password, text};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::s3::{BUCKET, S3, SECRET};
use bolt::image::config::drift::CredentialSource;
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
