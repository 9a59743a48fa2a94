//! `--secret` as podman reads it: `NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]`.

use crate::container::secret::How;

/// Why a secret was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretWishError {
    /// No name.
    #[error("--secret {0:?}: write NAME[,OPTION=VALUE,...]")]
    Form(String),
    /// An option.
    #[error(
        "--secret {text:?}: unknown option {option:?}; source, type, target, uid, gid and mode are known"
    )]
    Option {
        /// What was typed.
        text: String,
        /// The option.
        option: String,
    },
    /// A value.
    #[error("--secret {text:?}: {option} {value:?} is invalid; {fix}")]
    Value {
        /// What was typed.
        text: String,
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it takes.
        fix: &'static str,
    },
    /// An option of files for a variable.
    #[error("--secret {0:?}: uid, gid and mode are of files; leave them out with type=env")]
    OfFiles(String),
}

/// Where files go whose target is no absolute path.
const PLACE: &str = "/run/secrets";
/// Permission bits of files.
const MODE: u32 = 0o444;

/// A secret as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Name, id, or beginning of an id.
    pub source: String,
    env: bool,
    target: Option<String>,
    owner: Option<(u32, u32)>,
    mode: u32,
}

impl Wish {
    /// Reads the flag's value.
    pub fn parse(text: &str) -> Result<Wish, SecretWishError> {
        let bad = |option, value: &str, fix| SecretWishError::Value {
            text: text.to_owned(),
            option,
            value: value.to_owned(),
            fix,
        };
        let mut fields = text.split(',').peekable();
        let named = fields.next_if(|first| !first.contains('='));
        let mut wish = Wish {
            source: named.unwrap_or_default().to_owned(),
            env: false,
            target: None,
            owner: None,
            mode: MODE,
        };
        let mut of_files = false;
        for field in fields {
            let Some((key, value)) = field.split_once('=') else {
                return Err(SecretWishError::Option { text: text.into(), option: field.into() });
            };
            let number = |option| {
                let id = value.parse().ok().filter(|id| *id != u32::MAX);
                id.ok_or_else(|| bad(option, value, "give a number"))
            };
            match (key, value) {
                ("source", _) => wish.source = value.to_owned(),
                ("type", "mount") => wish.env = false,
                ("type", "env") => wish.env = true,
                ("type", _) => return Err(bad("type", value, "use mount or env")),
                ("target", _) => wish.target = Some(value.to_owned()),
                ("uid", _) => wish.owner = Some((number("uid")?, wish.owner.unwrap_or((0, 0)).1)),
                ("gid", _) => wish.owner = Some((wish.owner.unwrap_or((0, 0)).0, number("gid")?)),
                ("mode", _) => {
                    let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o7777);
                    wish.mode = mode.ok_or_else(|| bad("mode", value, "give an octal number"))?;
                }
                _ => {
                    return Err(SecretWishError::Option {
                        text: text.into(),
                        option: field.into(),
                    });
                }
            }
            of_files |= matches!(key, "uid" | "gid" | "mode");
        }
        if wish.source.is_empty() {
            return Err(SecretWishError::Form(text.to_owned()));
        }
        if wish.env && of_files {
            return Err(SecretWishError::OfFiles(text.to_owned()));
        }
        match &wish.target {
            Some(name) if wish.env && (name.is_empty() || name.contains('=')) => {
                Err(bad("target", name, "give the name of a variable"))
            }
            Some(path) if !wish.env && path_of(path).is_none() => {
                Err(bad("target", path, "give a path without '..'"))
            }
            _ => Ok(wish),
        }
    }

    /// How the container gets the secret of this name.
    pub fn how(&self, name: &str) -> How {
        let target = self.target.as_deref().unwrap_or(name);
        if self.env {
            return How::Env { name: target.to_owned() };
        }
        let target = path_of(target).unwrap_or_else(|| format!("{PLACE}/{name}"));
        How::Mount { target, owner: self.owner, mode: self.mode }
    }
}

/// The absolute path without doubled slashes; `None`: it names nothing below the root, or leaves
/// it.
fn path_of(target: &str) -> Option<String> {
    let parts: Vec<&str> = target.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if parts.is_empty() || parts.contains(&"..") || target.ends_with('/') {
        return None;
    }
    let place = if target.starts_with('/') { "" } else { PLACE };
    Some(format!("{place}/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(text: &str) -> (String, Option<(u32, u32)>, u32) {
        match Wish::parse(text).unwrap().how("a") {
            How::Mount { target, owner, mode } => (target, owner, mode),
            How::Env { name } => panic!("{text}: variable {name}"),
        }
    }

    /// Recorded with podman 4.3.1.
    #[test]
    fn words_mean_what_they_mean_to_podman() {
        let at = |path: &str| (path.to_owned(), None, 0o444);
        assert_eq!(mount("a"), at("/run/secrets/a"));
        assert_eq!(mount("source=a,type=mount"), at("/run/secrets/a"));
        assert_eq!(mount("a,target=b/c"), at("/run/secrets/b/c"));
        assert_eq!(mount("a,target=//x/./y"), at("/x/y"));
        let full = mount("a,target=foo,mode=0400,gid=6,uid=5");
        assert_eq!(full, ("/run/secrets/foo".into(), Some((5, 6)), 0o400));
        assert_eq!(mount("a,mode=4755").2, 0o4755);
        let env = |text: &str| Wish::parse(text).unwrap().how("a");
        assert_eq!(env("5f4b,type=env"), How::Env { name: "a".into() });
        assert_eq!(env("a,type=env,target=B"), How::Env { name: "B".into() });
    }

    #[test]
    fn odd_words_are_refused_by_name() {
        for (text, said) in [
            ("", "write NAME"),
            ("type=mount,a", "unknown option \"a\""),
            ("target=x", "write NAME"),
            ("a,bogus=x", "unknown option \"bogus=x\""),
            ("a,type=bogus", "type \"bogus\" is invalid"),
            ("a,mode=99", "mode \"99\" is invalid"),
            ("a,mode=10000", "mode \"10000\" is invalid"),
            ("a,uid=x", "uid \"x\" is invalid"),
            ("a,gid=4294967295", "gid \"4294967295\" is invalid"),
            ("a,target=../x", "target \"../x\" is invalid"),
            ("a,target=/", "target \"/\" is invalid"),
            ("a,target=", "target \"\" is invalid"),
            ("a,type=env,target=A=B", "target \"A=B\" is invalid"),
            ("a,type=env,mode=0400", "leave them out"),
        ] {
            let error = Wish::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
