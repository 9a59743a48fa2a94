//! The file form of a profile, and what is said when one is wrong.

use super::profile::{Action, ArchEntry, ArgTest, Op, Profile, Rule, When};
use super::{SeccompError, errno};
use crate::spec::caps::CapSet;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The kernel cuts larger error numbers (`MAX_ERRNO`).
const MAX_ERRNO: u64 = 4095;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File<'a> {
    default_action: String,
    default_errno_ret: Option<u64>,
    default_errno: Option<String>,
    arch_map: Option<Vec<ArchLine>>,
    architectures: Option<Vec<String>>,
    flags: Option<Vec<String>>,
    #[serde(borrow)]
    syscalls: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ArchLine {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry<'a> {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u64>,
    errno: Option<String>,
    #[serde(borrow)]
    args: Option<Vec<&'a RawValue>>,
    includes: Option<Condition>,
    excludes: Option<Condition>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arg {
    index: u64,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// See [`Profile::parse`].
pub(super) fn parse(json: &[u8]) -> Result<Profile, SeccompError> {
    let at = "the profile";
    let file: File = read(at, || serde_json::from_slice(json))?;
    if let Some(flag) = file.flags.unwrap_or_default().first() {
        return Err(field(at, "flags", flag, "flags are not supported; remove the key"));
    }
    let default = action(
        at,
        "defaultAction",
        &file.default_action,
        error_number(
            at,
            ["defaultErrnoRet", "defaultErrno"],
            file.default_errno_ret,
            file.default_errno,
        )?,
    )?;
    let rules = file
        .syscalls
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(number, raw)| rule(number, raw))
        .collect::<Result<_, _>>()?;
    Ok(Profile { default, arches: arches(at, file.arch_map, file.architectures)?, rules })
}

/// `archMap` as it is; the older `architectures` is one list that holds the native one too.
fn arches(
    at: &str,
    map: Option<Vec<ArchLine>>,
    list: Option<Vec<String>>,
) -> Result<Vec<ArchEntry>, SeccompError> {
    let lines = match (map, list) {
        (Some(map), None) => map,
        (None, None) => Vec::new(),
        (None, Some(list)) => list
            .iter()
            .map(|native| ArchLine {
                architecture: native.clone(),
                sub_architectures: Some(list.clone()),
            })
            .collect(),
        (Some(map), Some(list)) if map.is_empty() || list.is_empty() => {
            return arches(
                at,
                (!map.is_empty()).then_some(map),
                (!list.is_empty()).then_some(list),
            );
        }
        (Some(_), Some(_)) => {
            let reason = "archMap is there too; keep one of the two";
            return Err(field(at, "architectures", "a list", reason));
        }
    };
    lines.into_iter().map(|line| arch_entry(at, line)).collect()
}

fn arch_entry(at: &str, line: ArchLine) -> Result<ArchEntry, SeccompError> {
    let known = |name: String| match name.starts_with("SCMP_ARCH_") {
        true => Ok(Cow::Owned(name)),
        false => Err(field(at, "archMap", &name, "architectures are written SCMP_ARCH_X86_64")),
    };
    Ok(ArchEntry {
        native: known(line.architecture)?,
        beside: line
            .sub_architectures
            .unwrap_or_default()
            .into_iter()
            .map(known)
            .collect::<Result<_, _>>()?,
    })
}

fn rule(number: usize, raw: &RawValue) -> Result<Rule, SeccompError> {
    let bare = format!("syscalls[{number}]");
    let entry: Entry = read(&bare, || serde_json::from_str(raw.get()))?;
    let names = match (entry.name, entry.names) {
        (Some(name), None) => vec![name],
        (None, Some(names)) => names,
        (Some(name), Some(names)) if names.is_empty() => vec![name],
        (Some(name), Some(_)) => {
            return Err(field(&bare, "name", &name, "names is there too; keep one of the two"));
        }
        (None, None) => {
            return Err(field(&bare, "names", "", "the list of system calls is missing"));
        }
    };
    let at = match names.as_slice() {
        [] => bare,
        [one] => format!("{bare} ({one})"),
        [first, ..] => format!("{bare} ({first}, …)"),
    };
    let errno = error_number(&at, ["errnoRet", "errno"], entry.errno_ret, entry.errno)?;
    let tests = entry
        .args
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(number, raw)| arg_test(&format!("{at}, args[{number}]"), raw))
        .collect::<Result<_, _>>()?;
    Ok(Rule {
        names: names.into_iter().map(Cow::Owned).collect(),
        action: action(&at, "action", &entry.action, errno)?,
        tests,
        when: when(&at, entry.includes.unwrap_or_default(), entry.excludes.unwrap_or_default())?,
    })
}

fn arg_test(at: &str, raw: &RawValue) -> Result<ArgTest, SeccompError> {
    let arg: Arg = read(at, || serde_json::from_str(raw.get()))?;
    let index = u8::try_from(arg.index).ok().filter(|index| *index < 6).ok_or_else(|| {
        field(at, "index", &arg.index.to_string(), "arguments are numbered 0 to 5")
    })?;
    let op = match arg.op.as_str() {
        "SCMP_CMP_NE" => Op::Ne,
        "SCMP_CMP_LT" => Op::Lt,
        "SCMP_CMP_LE" => Op::Le,
        "SCMP_CMP_EQ" => Op::Eq,
        "SCMP_CMP_GE" => Op::Ge,
        "SCMP_CMP_GT" => Op::Gt,
        // Here `value` is the mask, and `valueTwo` what must be left.
        "SCMP_CMP_MASKED_EQ" => {
            return Ok(ArgTest { index, op: Op::MaskedEq, value: arg.value_two, mask: arg.value });
        }
        other => {
            let reason = "not one of SCMP_CMP_{NE,LT,LE,EQ,GE,GT,MASKED_EQ}";
            return Err(field(at, "op", other, reason));
        }
    };
    Ok(ArgTest::new(index, op, arg.value))
}

fn when(at: &str, includes: Condition, excludes: Condition) -> Result<When, SeccompError> {
    let caps = |name, list: Option<Vec<String>>| {
        list.unwrap_or_default().iter().try_fold(CapSet::EMPTY, |set, cap| {
            CapSet::parse(cap)
                .map(|one| set.union(one))
                .map_err(|_| field(at, name, cap, "not a capability of capabilities(7)"))
        })
    };
    let kernel = |name, text: Option<String>| {
        text.filter(|text| !text.is_empty())
            .map(|text| {
                kernel_version(&text)
                    .ok_or_else(|| field(at, name, &text, "kernels are written MAJOR.MINOR"))
            })
            .transpose()
    };
    Ok(When {
        caps: caps("includes.caps", includes.caps)?,
        without_caps: caps("excludes.caps", excludes.caps)?,
        arches: includes.arches.unwrap_or_default(),
        without_arches: excludes.arches.unwrap_or_default(),
        min_kernel: kernel("includes.minKernel", includes.min_kernel)?,
        below_kernel: kernel("excludes.minKernel", excludes.min_kernel)?,
    })
}

fn kernel_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `errno` and `errnoRet` as one number; the name wins, as in podman.
fn error_number(
    at: &str,
    keys: [&'static str; 2],
    number: Option<u64>,
    name: Option<String>,
) -> Result<Option<u16>, SeccompError> {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let number = errno::number(&name)
            .or_else(|| name.parse().ok().filter(|number| u64::from(*number) <= MAX_ERRNO));
        return number
            .map(Some)
            .ok_or_else(|| field(at, keys[1], &name, "not an error of errno(3)"));
    }
    let Some(number) = number else {
        return Ok(None);
    };
    match u16::try_from(number) {
        Ok(small) if number <= MAX_ERRNO => Ok(Some(small)),
        _ => Err(field(at, keys[0], &number.to_string(), "errors are numbered up to 4095")),
    }
}

/// Without a number ERRNO and TRACE carry EPERM, as in runc and crun.
fn action(
    at: &str,
    key: &'static str,
    name: &str,
    errno: Option<u16>,
) -> Result<Action, SeccompError> {
    let number = errno.unwrap_or(1);
    Ok(match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        "SCMP_ACT_TRAP" => Action::Trap,
        "SCMP_ACT_ERRNO" => Action::Errno(number),
        "SCMP_ACT_TRACE" => Action::Trace(number),
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_NOTIFY" => {
            return Err(SeccompError::Notify { at: at.to_owned() });
        }
        other => {
            let reason =
                "not one of SCMP_ACT_{ALLOW,ERRNO,KILL,KILL_THREAD,KILL_PROCESS,TRAP,TRACE,LOG}";
            return Err(field(at, key, other, reason));
        }
    })
}

fn read<T>(at: &str, parse: impl FnOnce() -> serde_json::Result<T>) -> Result<T, SeccompError> {
    parse().map_err(|source| SeccompError::Malformed { at: at.to_owned(), source })
}

fn field(at: &str, field: &'static str, value: &str, reason: &'static str) -> SeccompError {
    SeccompError::Field { at: at.to_owned(), field, value: value.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(json: &str) -> String {
        use std::error::Error;
        let error = parse(json.as_bytes()).unwrap_err();
        match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    }

    fn with_entry(entry: &str) -> String {
        message(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                {{"names": ["read"], "action": "SCMP_ACT_ALLOW"}}, {entry}]}}"#
        ))
    }

    #[test]
    fn the_stock_profiles_keys_are_all_known() {
        let json = br#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
            "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "errno": "EINVAL",
                "args": [{"index": 0, "value": 16, "valueTwo": 0, "op": "SCMP_CMP_EQ"}], "comment": "",
                "includes": {}, "excludes": {"caps": ["CAP_AUDIT_WRITE"]}}]}"#;
        let profile = parse(json).unwrap();
        assert_eq!(profile.default, Action::Errno(38));
        let rule = &profile.rules[0];
        assert_eq!(rule.action, Action::Errno(22));
        assert_eq!(rule.tests, [ArgTest::new(0, Op::Eq, 16)]);
        assert_eq!(rule.when.without_caps, CapSet::parse("AUDIT_WRITE").unwrap());
    }

    #[test]
    fn the_oci_list_of_architectures_serves_too() {
        let json = br#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [],
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"]}"#;
        let profile = parse(json).unwrap();
        assert_eq!(profile.arches[0].native, "SCMP_ARCH_X86_64");
        assert!(profile.arches[0].beside.iter().any(|kind| kind == "SCMP_ARCH_X32"));
    }

    #[test]
    fn errors_name_the_place() {
        let cases = [
            (message("{"), "the profile is not written as a profile is: EOF"),
            (message("{}"), "missing field `defaultAction`"),
            (
                message(r#"{"defaultAction": "SCMP_ACT_ALLOW", "sycalls": []}"#),
                "unknown field `sycalls`",
            ),
            (
                message(r#"{"defaultAction": "ALLOW"}"#),
                "the profile: defaultAction \"ALLOW\": not one of",
            ),
            (
                message(r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5000}"#),
                "defaultErrnoRet \"5000\"",
            ),
            (
                message(r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENO"}"#),
                "defaultErrno \"ENO\"",
            ),
            (
                message(
                    r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}"#,
                ),
                "flags",
            ),
            (
                message(
                    r#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "x86"}]}"#,
                ),
                "archMap \"x86\"",
            ),
            (
                with_entry(r#"{"names": ["a"]}"#),
                "syscalls[1] is not written as a profile is: missing field `action`",
            ),
            (with_entry(r#"{"action": "SCMP_ACT_ALLOW"}"#), "syscalls[1]: names"),
            (
                with_entry(r#"{"names": ["a"], "action": "SCMP_ACT_ALOW"}"#),
                "syscalls[1] (a): action",
            ),
            (
                with_entry(r#"{"names": ["a", "b"], "action": "SCMP_ACT_NOTIFY"}"#),
                "syscalls[1] (a, …): action SCMP_ACT_NOTIFY is not supported by this version",
            ),
            (
                with_entry(r#"{"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096}"#),
                "errnoRet \"4096\"",
            ),
            (
                with_entry(r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "extra": 1}"#),
                "unknown field `extra`",
            ),
            (
                with_entry(
                    r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}"#,
                ),
                "syscalls[1] (a), args[0]: index \"6\": arguments are numbered 0 to 5",
            ),
            (
                with_entry(
                    r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "EQ"}]}"#,
                ),
                "syscalls[1] (a), args[0]: op \"EQ\"",
            ),
            (
                with_entry(
                    r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_CHWON"]}}"#,
                ),
                "syscalls[1] (a): includes.caps \"CAP_CHWON\"",
            ),
            (
                with_entry(
                    r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6"}}"#,
                ),
                "includes.minKernel \"6\"",
            ),
        ];
        for (message, expected) in cases {
            assert!(message.contains(expected), "{message}\n  lacks {expected}");
        }
    }
}
