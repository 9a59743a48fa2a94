//! Images in buckets, against a real server that checks signatures.

use super::{Machine, text};
use crate::harness::image::{TestImage, noise};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::s3::{BUCKET, KEY, S3, SECRET, caller};
use crate::harness::tls::Tls;
use bolt::image::config::drift::CredentialSource;
use bolt::image::progress::Recording;
use bolt::image::pull::PullError;
use bolt::image::registry::Proxies;
use bolt::image::s3::credentials::{AwsPlaces, Caller};
use bolt::image::s3::place::Place;
use bolt::image::types::ImageRecord;

fn pull(
    machine: &Machine,
    name: &str,
    place: Place,
) -> (Result<ImageRecord, PullError>, Recording) {
    let mut request = machine.request(name);
    request.buckets.named = Some(place);
    machine.pull(&request)
}

fn layout(s3: &S3) -> TestImage {
    let image = TestImage::new(&[3000, 300_000]);
    s3.copy(&image.layout(), "box");
    image
}

#[test]
fn a_layout_in_a_bucket_is_an_image() {
    let s3 = s3!();
    let image = layout(&s3);
    let machine = Machine::new();
    let name = format!("s3://{BUCKET}/box:v1");
    for (presigned, proxied) in [(false, false), (true, false), (false, true)] {
        let recorder = Proxy::start(s3.address(), |_, _| Fault::Pass);
        let endpoint = if proxied { format!("http://{}", recorder.host()) } else { s3.endpoint() };
        let place = Place { presigned, ..S3::place(&endpoint, "box") };
        let machine = Machine::new();
        let (record, progress) = pull(&machine, &name, place);
        let record = record.unwrap_or_else(|e| panic!("presigned {presigned}: {}", text(&e)));
        assert_eq!(record.layers.len(), 3);
        let data = std::fs::read(machine.top(&record).join("data/1")).unwrap();
        assert_eq!(data, noise(78, 300_000));
        let sizes: u64 = image.layers().iter().map(|(_, size)| size).sum();
        assert!(progress.transferred() >= sizes, "{}", progress.transferred());
        let local = format!("localhost/{BUCKET}/box:v1");
        assert_eq!(machine.store().find_ref(&local).unwrap().unwrap(), record);
        assert_eq!(progress.notes(), Vec::<String>::new());
        for request in recorder.requests() {
            let signed = &request.headers["authorization"];
            assert!(signed.contains("/us-east-1/s3/aws4_request"), "{signed}");
            assert!(!signed.contains(SECRET));
        }
    }
    let names_none =
        pull(&machine, &format!("s3://{BUCKET}/box"), S3::place(&s3.endpoint(), "box"));
    names_none.0.unwrap();
}

#[test]
fn keys_that_are_wrong_are_told_and_never_shown() {
    let s3 = s3!();
    layout(&s3);
    let name = format!("s3://{BUCKET}/box:v1");
    let says = |place: Place, word: &str| {
        let error = pull(&Machine::new(), &name, place).0.unwrap_err();
        let message = text(&error);
        assert!(message.contains(word), "{message}");
        for secret in [SECRET, "other-canary", KEY] {
            assert!(!message.contains(secret), "{message}");
            assert!(!format!("{error:?}").contains(secret), "{error:?}");
        }
    };
    let with = |who: Caller| Place { caller: who, ..S3::place(&s3.endpoint(), "box") };
    says(with(caller(KEY, "other-canary")), "does not take the secret of auth.json's entry");
    says(with(caller("other-canary", SECRET)), "does not take the access key");
    says(with(Caller::nobody()), "credentials are those of nobody");
    says(S3::place("http://127.0.0.1:1", "box"), "nothing listens");
    let other = Place { bucket: "nobodys".to_owned(), ..S3::place(&s3.endpoint(), "box") };
    says(other, "nobodys");
    says(
        S3::place(&s3.endpoint(), "none"),
        "oci-layout does not exist; is this an OCI image layout?",
    );
    let machine = Machine::new();
    let place = S3::place(&s3.endpoint(), "box");
    let error = pull(&machine, &format!("s3://{BUCKET}/box:v2"), place).0.unwrap_err();
    assert!(text(&error).contains("no image is named \"v2\"; it has v1"), "{}", text(&error));
}

/// A server that answers each request the same.
fn answering(status: &str, headers: &[(&str, &str)], body: &str) -> (Proxy, Place) {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let fault = Fault::Answer(status.to_owned(), headers, body.to_owned());
    let proxy = Proxy::start(([127, 0, 0, 1], 1).into(), move |_, _| fault.clone());
    let place = S3::place(&format!("http://{}", proxy.host()), "box");
    (proxy, place)
}

#[test]
fn a_wrong_clock_and_expired_keys_are_named() {
    let name = format!("s3://{BUCKET}/box:v1");
    let code = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    let date = [("Date", "Thu, 26 Nov 2020 12:00:00 GMT")];
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], String, &'a str);
    let cases: [Case<'_>; 5] = [
        ("403 Forbidden", &date, code("RequestTimeTooSkewed"), "min ahead of that of the server"),
        ("403 Forbidden", &date, String::new(), "timedatectl set-ntp true"),
        ("400 Bad Request", &[], code("ExpiredToken"), "have expired; get new ones"),
        ("403 Forbidden", &[], r#"{"Code":"X","Message":"json"}"#.to_owned(), "(X: json)"),
        ("418 Teapot", &[], "<html>".to_owned(), "answered 418 for box/oci-layout"),
    ];
    for (status, headers, body, word) in cases {
        let (proxy, place) = answering(status, headers, &body);
        let message = text(&pull(&Machine::new(), &name, place).0.unwrap_err());
        assert!(message.contains(word), "{message}");
        assert_eq!(proxy.requests().len(), 1, "{message}");
    }
}

#[test]
fn the_region_that_the_server_names_is_taken_once() {
    let s3 = s3!();
    layout(&s3);
    let name = format!("s3://{BUCKET}/box:v1");
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-9</Region></Error>";
    let strict = Proxy::start(s3.address(), move |request, _| {
        let signed = request.headers.get("authorization").cloned().unwrap_or_default();
        match signed.contains("/eu-west-9/") {
            true => Fault::Pass,
            false => Fault::Answer("400 Bad Request".to_owned(), Vec::new(), body.to_owned()),
        }
    });
    let place = S3::place(&format!("http://{}", strict.host()), "box");
    let (result, progress) = pull(&Machine::new(), &name, place);
    result.unwrap_or_else(|e| panic!("{}", text(&e)));
    assert_eq!(progress.notes().len(), 1, "{:?}", progress.notes());
    assert!(progress.notes()[0].contains("lies in the region eu-west-9"));
    // One that names another each time is not followed for ever.
    let (_circle, place) = answering("301 Moved", &[("x-amz-bucket-region", "eu-west-8")], "");
    let place = Place { region: Some("eu-west-7".to_owned()), ..place };
    let message = text(&pull(&Machine::new(), &name, place).0.unwrap_err());
    assert!(!message.is_empty());
}

#[test]
fn a_token_file_is_exchanged_for_keys() {
    let s3 = s3!();
    layout(&s3);
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>canary-token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>\
         </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    let service = Proxy::start(s3.address(), move |request, _| match request.path.as_str() {
        "/" => Fault::Answer("200 OK".to_owned(), Vec::new(), answer.clone()),
        _ => Fault::Pass,
    });
    let machine = Machine::new();
    let token = machine.dir.join("token");
    std::fs::write(&token, "canary-web-token\n").unwrap();
    let endpoint = format!("http://{}", service.host());
    let variables = |name: &str| match name {
        "AWS_WEB_IDENTITY_TOKEN_FILE" => Some(token.to_str().unwrap().to_owned()),
        "AWS_ROLE_ARN" => Some("arn:aws:iam::1:role/player".to_owned()),
        "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
        _ => None,
    };
    let aws = AwsPlaces::from_variables(variables, machine.dir.path());
    let name = format!("s3://{BUCKET}/box:v1");
    let mut request = machine.request(&name);
    request.buckets.aws = &aws;
    let who = aws.caller("h", &CredentialSource::Aws, None).unwrap();
    request.buckets.named = Some(Place { caller: who, ..S3::place(&endpoint, "box") });
    let (result, progress) = machine.pull(&request);
    result.unwrap_or_else(|e| panic!("{}", text(&e)));
    let asked = service.requests();
    assert_eq!(asked.iter().filter(|r| r.path == "/").count(), 1, "the keys are used again");
    let of_bucket = asked.iter().find(|r| r.path != "/").unwrap();
    assert_eq!(of_bucket.headers["x-amz-security-token"], "canary-token");
    assert!(!format!("{:?}", progress.notes()).contains("canary"));
    // A token that is not taken is told without being shown.
    let refused = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code>\
        <Message>canary-web-token</Message></Error></ErrorResponse>";
    let (_service, place) = answering("400 Bad Request", &[], refused);
    let endpoint = place.endpoint.clone().unwrap();
    let aws = AwsPlaces::from_variables(
        |name| if name == "AWS_ENDPOINT_URL" { Some(endpoint.clone()) } else { variables(name) },
        machine.dir.path(),
    );
    let mut request = machine.request(&name);
    request.buckets.aws = &aws;
    request.buckets.named =
        Some(Place { caller: aws.caller("h", &CredentialSource::Aws, None).unwrap(), ..place });
    let message = text(&machine.pull(&request).0.unwrap_err());
    assert!(message.contains("InvalidIdentityToken"), "{message}");
    assert!(!message.contains("canary"), "{message}");
}

#[test]
fn the_token_service_is_trusted_by_the_bundle_too() {
    let refused = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>";
    let (service, place) = answering("400 Bad Request", &[], refused);
    let tls = match Tls::before(service.host().parse().unwrap()) {
        Ok(tls) => tls,
        Err(reason) => crate::skip!(reason),
    };
    let machine = Machine::new();
    let token = machine.dir.join("token");
    std::fs::write(&token, "canary-web-token\n").unwrap();
    let name = format!("s3://{BUCKET}/box:v1");
    let unknown = "unknown authority; name its CA certificate in AWS_CA_BUNDLE";
    for (bundle, word) in [(None, unknown), (Some(tls.ca()), "InvalidIdentityToken")] {
        let variables = |name: &str| match name {
            "AWS_WEB_IDENTITY_TOKEN_FILE" => Some(token.to_str().unwrap().to_owned()),
            "AWS_ROLE_ARN" => Some("arn:aws:iam::1:role/player".to_owned()),
            "AWS_ENDPOINT_URL_STS" => Some(tls.endpoint()),
            "AWS_CA_BUNDLE" => bundle.as_ref().map(|file| file.to_str().unwrap().to_owned()),
            _ => None,
        };
        let aws = AwsPlaces::from_variables(variables, machine.dir.path());
        let mut request = machine.request(&name);
        request.buckets.aws = &aws;
        let caller = aws.caller("h", &CredentialSource::Aws, None).unwrap();
        request.buckets.named = Some(Place { caller, ..place.clone() });
        let message = text(&machine.pull(&request).0.unwrap_err());
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn wrong_bytes_in_a_bucket_are_named() {
    let s3 = s3!();
    let image = layout(&s3);
    let (digest, size) = image.layers()[2].clone();
    let file = s3.file(&format!("box/blobs/sha256/{}", digest.trim_start_matches("sha256:")));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[size as usize / 2] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let name = format!("s3://{BUCKET}/box:v1");
    let place = || S3::place(&s3.endpoint(), "box");
    let (result, progress) = pull(&Machine::new(), &name, place());
    let message = text(&result.unwrap_err());
    assert!(message.contains(&digest) && message.contains("its digest is"), "{message}");
    assert!(message.contains(&place().name()), "{message}");
    assert_eq!(progress.notes(), Vec::<String>::new());
    std::fs::write(&file, &bytes[1..]).unwrap();
    let message = text(&pull(&Machine::new(), &name, place()).0.unwrap_err());
    assert!(
        message.contains(&format!("has {} bytes, {size} were expected; remove it from", size - 1)),
        "{message}"
    );
    std::fs::remove_file(&file).unwrap();
    let message = text(&pull(&Machine::new(), &name, place()).0.unwrap_err());
    assert!(message.contains("does not exist in s3://games/box at"), "{message}");
}

#[test]
fn a_bucket_may_be_a_host() {
    let s3 = match S3::below("s3.test") {
        Ok(s3) => s3,
        Err(reason) => crate::skip!(reason),
    };
    layout(&s3);
    let mut machine = Machine::new();
    // No name service knows the host: the server takes what a proxy is sent.
    let address = s3.endpoint();
    machine.proxies =
        Proxies::from_variables(|name| (name == "http_proxy").then(|| address.clone()));
    let place = Place { virtual_host: true, ..S3::place("http://s3.test", "box") };
    let (result, _) = pull(&machine, &format!("s3://{BUCKET}/box:v1"), place);
    assert_eq!(result.unwrap_or_else(|e| panic!("{}", text(&e))).layers.len(), 3);
}

#[test]
fn the_one_place_without_credentials_is_named() {
    let error = AwsPlaces::default().caller("h.org", &CredentialSource::AuthFile, None);
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "S3 credentials for h.org: there is no entry in auth.json");
}
