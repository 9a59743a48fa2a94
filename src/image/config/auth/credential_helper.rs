//! `docker-credential-NAME`: a program that keeps credentials (docker-credential-helpers,
//! README: "Development"). The verb is its argument, the registry or a JSON object its stdin,
//! JSON its stdout.

use super::{AuthError, Credentials, Secret};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

/// Under this name docker keeps the credentials of docker.io.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// What helpers say when they have nothing for a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// A helper's user name that marks the secret as an identity token.
const TOKEN_USER: &str = "<token>";
/// No answer is longer.
const ANSWER_MAX: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(rename = "ServerURL", default)]
    server: String,
    username: String,
    secret: String,
}

/// The program's name. Only letters, digits, `-`, `_` and `.`: the name comes from a file.
pub(super) fn program(helper: &str) -> Result<String, AuthError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if helper.is_empty() || helper.len() > 200 || !helper.bytes().all(good) {
        return Err(AuthError::HelperName(helper.chars().take(100).collect()));
    }
    Ok(format!("docker-credential-{helper}"))
}

/// What the helper has for a registry.
pub(super) fn get(helper: &str, registry: &str) -> Result<Option<Credentials>, AuthError> {
    for key in keys(registry) {
        if let Some(found) = get_one(helper, key)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Under which names a registry's credentials may be kept: docker.io has docker's own too.
fn keys(registry: &str) -> Vec<&str> {
    match registry {
        "docker.io" | DOCKER_HUB_KEY => vec!["docker.io", DOCKER_HUB_KEY],
        other => vec![other],
    }
}

fn get_one(helper: &str, server: &str) -> Result<Option<Credentials>, AuthError> {
    let Some(answer) = run(helper, "get", server, server.as_bytes())? else { return Ok(None) };
    let answer: Answer = serde_json::from_slice(&answer).map_err(|_| AuthError::Helper {
        program: format!("docker-credential-{helper}"),
        registry: server.to_owned(),
        // The answer and the parser's words about it may hold the secret.
        reason: "it did not answer with ServerURL, Username and Secret".to_owned(),
    })?;
    Ok(match (answer.username.as_str(), answer.secret.as_str()) {
        ("", "") => None,
        (TOKEN_USER, _) => Some(Credentials::IdentityToken(Secret::new(answer.secret))),
        _ => Some(Credentials::Password {
            username: answer.username,
            password: Secret::new(answer.secret),
        }),
    })
}

/// Hands credentials to the helper.
pub(super) fn store(helper: &str, server: &str, who: &Credentials) -> Result<(), AuthError> {
    let (username, secret) = match who {
        Credentials::Password { username, password } => (username.as_str(), password),
        Credentials::IdentityToken(token) => (TOKEN_USER, token),
    };
    let answer = Answer {
        server: server.to_owned(),
        username: username.to_owned(),
        secret: secret.expose().to_owned(),
    };
    let input = serde_json::to_vec(&answer).map_err(|_| AuthError::Helper {
        program: format!("docker-credential-{helper}"),
        registry: server.to_owned(),
        reason: "the credentials cannot be written as JSON".to_owned(),
    })?;
    run(helper, "store", server, &input).map(|_| ())
}

/// Makes the helper forget; `false` when it had nothing.
pub(super) fn erase(helper: &str, registry: &str) -> Result<bool, AuthError> {
    let mut erased = false;
    for key in keys(registry) {
        // Helpers differ in what erasing an unknown registry answers, so it is asked first.
        if get_one(helper, key)?.is_some() {
            erased |= run(helper, "erase", key, key.as_bytes())?.is_some();
        }
    }
    Ok(erased)
}

/// Runs one verb. `None`: the helper has nothing for this registry.
fn run(
    helper: &str,
    verb: &str,
    registry: &str,
    input: &[u8],
) -> Result<Option<Vec<u8>>, AuthError> {
    let program = program(helper)?;
    let (status, output) = talk(&program, verb, input).map_err(|source| {
        AuthError::HelperSpawn { program: program.clone(), registry: registry.to_owned(), source }
    })?;
    // Before the status: who writes more than is read dies of SIGPIPE.
    let endless = output.len() as u64 > ANSWER_MAX;
    if status.success() && !endless {
        return Ok(Some(output));
    }
    let words = String::from_utf8_lossy(&output);
    let words = words.trim();
    if words == NOT_FOUND {
        return Ok(None);
    }
    let reason = match (endless, words) {
        (true, _) => "its answer is longer than 1 MiB".to_owned(),
        // A failed store may repeat its input: only what get and erase say is shown.
        (false, "") => format!("{verb} ended with {status}"),
        (false, _) if verb == "store" => format!("{verb} ended with {status}"),
        (false, words) => words.chars().filter(|c| !c.is_control()).take(300).collect(),
    };
    Err(AuthError::Helper { program, registry: registry.to_owned(), reason })
}

/// Writes all input, then reads all output. Requests are far shorter than a pipe's buffer, so
/// the two cannot wait for each other. stderr is the user's: helpers ask for pass phrases there.
fn talk(
    program: &str,
    verb: &str,
    input: &[u8],
) -> io::Result<(std::process::ExitStatus, Vec<u8>)> {
    let mut child =
        Command::new(program).arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input closes the pipe; its exit tells why.
        let _ = stdin.write_all(input);
    }
    let mut output = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(ANSWER_MAX + 1).read_to_end(&mut output),
        None => Ok(0),
    };
    let status = child.wait()?;
    read?;
    Ok((status, output))
}
