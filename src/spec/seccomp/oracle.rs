//! Tests against libseccomp itself: equal verdicts for every call number of three architectures,
//! with arguments at and around every boundary. Needs `cc` and libseccomp's header; says
//! `skipped: …` without them.

use super::arch::host;
use super::interpreter::{Call, run};
use super::profile::{Action, ArgTest, Op, Profile, Rule, When};
use super::*;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Reads `default ACTION`, `arch N`, and `rule ACTION NAME [INDEX OP A B]…` lines, writes BPF.
const EXPORTER: &str = r#"
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    static char line[4096];
    scmp_filter_ctx ctx = NULL;
    while (fgets(line, sizeof line, stdin)) {
        char *word = strtok(line, " \n");
        if (!word) continue;
        if (!strcmp(word, "default")) {
            ctx = seccomp_init(strtoul(strtok(NULL, " \n"), NULL, 10));
            continue;
        }
        if (!strcmp(word, "arch")) {
            if (seccomp_arch_add(ctx, strtoul(strtok(NULL, " \n"), NULL, 10))) return 4;
            continue;
        }
        uint32_t action = strtoul(strtok(NULL, " \n"), NULL, 10);
        char *name = strtok(NULL, " \n");
        int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR) { fprintf(stderr, "%s\n", name); continue; }
        struct scmp_arg_cmp args[6];
        unsigned count = 0;
        while ((word = strtok(NULL, " \n")) && count < 6) {
            args[count].arg = strtoul(word, NULL, 10);
            args[count].op = strtoul(strtok(NULL, " \n"), NULL, 10);
            args[count].datum_a = strtoull(strtok(NULL, " \n"), NULL, 10);
            args[count].datum_b = strtoull(strtok(NULL, " \n"), NULL, 10);
            count++;
        }
        if (seccomp_rule_add_array(ctx, action, number, count, args)) return 3;
    }
    return seccomp_export_bpf(ctx, 1) ? 5 : 0;
}
"#;

const X64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const TAG: u32 = 0x4000_0000;

/// The compiled exporter, or why there is none.
fn exporter() -> Option<&'static PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            // Beside the test program: in the build folder, which is cleaned with the rest.
            let here = std::env::current_exe().ok()?;
            let program = here.with_extension("libseccomp");
            let source = here.with_extension("libseccomp.c");
            std::fs::write(&source, EXPORTER).ok()?;
            let built = Command::new("cc")
                .arg("-o")
                .args([&program, &source])
                .arg("-lseccomp")
                .stderr(Stdio::null())
                .status();
            built.ok()?.success().then_some(program)
        })
        .as_ref()
        .or_else(|| {
            println!("skipped: cc or libseccomp's header is not there");
            None
        })
}

fn rule_lines(rule: &Rule) -> String {
    let mut lines = String::new();
    let repeated = |index| rule.tests.iter().filter(|test| test.index == index).count() > 1;
    let alternatives: Vec<Vec<&ArgTest>> = match rule.tests.iter().any(|t| repeated(t.index)) {
        true => rule.tests.iter().map(|test| vec![test]).collect(),
        false => vec![rule.tests.iter().collect()],
    };
    for name in &rule.names {
        for tests in &alternatives {
            write!(lines, "rule {} {name}", scmp_action(rule.action)).unwrap();
            for test in tests {
                let (op, a, b) = match test.op {
                    Op::Ne => (1, test.value, 0),
                    Op::Lt => (2, test.value, 0),
                    Op::Le => (3, test.value, 0),
                    Op::Eq => (4, test.value, 0),
                    Op::Ge => (5, test.value, 0),
                    Op::Gt => (6, test.value, 0),
                    Op::MaskedEq => (7, test.mask, test.value),
                };
                write!(lines, " {} {op} {a} {b}", test.index).unwrap();
            }
            lines.push('\n');
        }
    }
    lines
}

/// `SCMP_ACT_*` are the kernel's numbers.
fn scmp_action(action: Action) -> u32 {
    action.code()
}

/// libseccomp's program for the rules that count, and the names it does not know.
/// None where it refuses a rule.
fn libseccomp(
    profile: &Profile,
    caps: CapSet,
    options: &Options,
) -> Option<(Vec<u8>, BTreeSet<String>)> {
    let mut input = format!("default {}\n", scmp_action(profile.default));
    for (scmp, token) in [("SCMP_ARCH_X86", I386), ("SCMP_ARCH_X32", 0x4000_003e)] {
        if profile.serves(host().unwrap(), scmp) {
            writeln!(input, "arch {token}").unwrap();
        }
    }
    for rule in &profile.rules {
        if rule.when.holds(host().unwrap(), caps, options) && rule.action != profile.default {
            input.push_str(&rule_lines(rule));
        }
    }
    let mut child = Command::new(exporter()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The exporter writes its program only at the end: the pipes cannot fill up both ways.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    if output.status.code() == Some(3) {
        return None;
    }
    assert!(output.status.success(), "{:?}", output.status);
    let unknown = String::from_utf8(output.stderr).unwrap();
    Some((output.stdout, unknown.lines().map(str::to_owned).collect()))
}

/// Argument values worth trying: each value of a rule, its neighbours, and the same in the other
/// half of the word.
fn boundaries(rules: &[Rule]) -> Vec<[u64; 6]> {
    let mut values: [BTreeSet<u64>; 6] = Default::default();
    for test in rules.iter().flat_map(|rule| &rule.tests) {
        let set = &mut values[usize::from(test.index)];
        for base in [test.value, !test.mask | test.value, test.value << 32, 0] {
            for value in [base, base.wrapping_add(1), base.wrapping_sub(1)] {
                set.extend([value, value ^ 1 << 32, value & 0xffff_ffff]);
            }
        }
    }
    // Every combination; arguments that no rule looks at stay 0.
    let mut calls = vec![[0; 6]];
    for (index, set) in values.iter().enumerate() {
        if set.is_empty() {
            continue;
        }
        calls = calls
            .iter()
            .flat_map(|call| {
                set.iter().map(move |value| {
                    let mut call = *call;
                    call[index] = *value;
                    call
                })
            })
            .collect();
        assert!(calls.len() < 2_000_000, "too many combinations");
    }
    calls
}

fn numbers() -> impl Iterator<Item = (u32, u32)> {
    let edge = [TAG - 1, 0x8000_0000, u32::MAX - 1, u32::MAX];
    let plain = (0..=600).chain(edge).map(|number| (X64, number));
    let tagged = (TAG..=TAG + 600).map(|number| (X64, number));
    let i386 = (0..=600).chain(edge).map(|number| (I386, number));
    let foreign = [(0xc000_00b7, 0), (0, 0), (0x4000_0028, 4)];
    plain.chain(tagged).chain(i386).chain(foreign)
}

/// Call numbers of a name on each architecture, as the interpreter sees them.
fn numbers_of(name: &str) -> Vec<(u32, u32)> {
    let arches = host().unwrap().arches;
    let (tag, x32) = arches[0].tagged.as_ref().unwrap();
    let plain = arches[0].plain.number(name).map(|number| (X64, number));
    let tagged = x32.number(name).map(|number| (X64, number + tag));
    let i386 = arches[1].plain.number(name).map(|number| (I386, number));
    [plain, tagged, i386].into_iter().flatten().collect()
}

/// Compares every number with a few arguments, and calls that have rules on arguments at all boundaries.
fn compare(ours: &[u8], theirs: &[u8], profile: &Profile, skip: &BTreeSet<(u32, u32)>, hint: &str) {
    let with_args: Vec<Rule> =
        profile.rules.iter().filter(|rule| !rule.tests.is_empty()).cloned().collect();
    let same = |call: Call| {
        let (a, b) = (run(ours, &call), run(theirs, &call));
        assert_eq!(a, b, "{hint}: ours {a:#x}, libseccomp's {b:#x} for {call:x?}");
    };
    for (arch, number) in numbers().filter(|call| !skip.contains(call)) {
        for args in [[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6]] {
            same(Call { arch, number, args });
        }
    }
    let names: BTreeSet<&str> =
        with_args.iter().flat_map(|rule| rule.names.iter().map(|name| &**name)).collect();
    for name in names {
        let own: Vec<Rule> = with_args
            .iter()
            .filter(|rule| rule.names.iter().any(|other| other == name))
            .cloned()
            .collect();
        let mut calls = numbers_of(name);
        calls.extend([(I386, 102), (I386, 117)]);
        for args in boundaries(&own) {
            for (arch, number) in &calls {
                same(Call { arch: *arch, number: *number, args });
            }
        }
    }
}

fn check(profile: &Profile, caps: CapSet, options: &Options, hint: &str) -> bool {
    let Some((theirs, unknown)) = libseccomp(profile, caps, options) else {
        return false;
    };
    let ours = compile(profile, caps, options).unwrap();
    // libseccomp 2.5 has map_shadow_stack without its x32 number, which came with Linux 6.8.
    let skip = unknown
        .iter()
        .map(String::as_str)
        .chain(["map_shadow_stack"])
        .flat_map(numbers_of)
        .collect();
    compare(ours.bytes(), &theirs, profile, &skip, hint);
    true
}

fn cap_sets() -> Vec<(&'static str, CapSet)> {
    let default = CapSet::container_default();
    vec![
        ("default", default),
        ("none", CapSet::EMPTY),
        ("all", CapSet::ALL),
        ("audit", CapSet::parse("AUDIT_WRITE").unwrap()),
        ("games", default.union(CapSet::parse("SYS_PTRACE").unwrap())),
    ]
}

#[test]
fn the_builtin_profile_is_as_libseccomp_has_it() {
    for (hint, caps) in cap_sets() {
        check(&Profile::builtin(), caps, &Options::default(), hint);
    }
}

#[test]
fn the_builtin_profile_equals_containers_commons_save_for_newer_calls() {
    let Ok(json) = std::fs::read("/usr/share/containers/seccomp.json") else {
        println!("skipped: /usr/share/containers/seccomp.json is not there");
        return;
    };
    let file = Profile::parse(&json).unwrap();
    let newer: BTreeSet<(u32, u32)> =
        builtin::NEWER.split_whitespace().flat_map(numbers_of).collect();
    for (hint, caps) in cap_sets() {
        let options = Options::default();
        let ours = compile(&Profile::builtin(), caps, &options).unwrap();
        let theirs = compile(&file, caps, &options).unwrap();
        compare(ours.bytes(), theirs.bytes(), &file, &newer, hint);
        check(&file, caps, &options, hint);
    }
}

#[test]
fn fewer_architectures_are_as_libseccomp_has_them() {
    for beside in [&[][..], &["SCMP_ARCH_X86"], &["SCMP_ARCH_X32"]] {
        let mut profile = Profile::builtin();
        profile.arches[0].beside = beside.iter().map(|kind| Cow::Borrowed(*kind)).collect();
        check(&profile, CapSet::EMPTY, &Options::default(), "fewer");
    }
}

fn rule(name: &'static str, action: Action, tests: Vec<ArgTest>) -> Rule {
    Rule { names: vec![Cow::Borrowed(name)], action, tests, when: When::default() }
}

/// Some rules. `getpid` stands with them because libseccomp 2.5 forgets to load the call number for
/// i386 when all it has there is `semop`, a call with no number of its own.
fn profile(rules: Vec<Rule>) -> Profile {
    let mut all = vec![rule("getpid", Action::Allow, Vec::new())];
    all.extend(rules);
    Profile { default: Action::Errno(38), rules: all, ..Profile::builtin() }
}

const OPS: [Op; 7] = [Op::Ne, Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt, Op::MaskedEq];
const VALUES: [u64; 7] = [0, 5, 0x7fff_ffff, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0005, u64::MAX];

fn arg(index: u8, op: Op, value: u64) -> ArgTest {
    match op {
        Op::MaskedEq => ArgTest { mask: value | 0xf0, value: value & 0xff, index, op },
        _ => ArgTest::new(index, op, value),
    }
}

#[test]
fn every_operator_at_every_boundary() {
    for op in OPS {
        for value in VALUES {
            for name in ["fcntl", "socket", "semop", "accept", "shmat"] {
                for action in [Action::Allow, Action::Trap, Action::Trace(7), Action::Log] {
                    let one = vec![arg(1, op, value)];
                    let hint = format!("{name} {op:?} {value:#x}");
                    check(
                        &profile(vec![rule(name, action, one)]),
                        CapSet::EMPTY,
                        &Options::default(),
                        &hint,
                    );
                    if name != "fcntl" {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn two_rules_and_two_arguments() {
    let (mut compared, mut refused) = (0, 0);
    for (first, one) in OPS.iter().enumerate() {
        for (second, two) in OPS.iter().enumerate() {
            let (a, b) = (VALUES[first % 7], VALUES[(first + second) % 7]);
            let shapes = [
                // Two arguments in one rule: both must hold.
                vec![rule("fcntl", Action::Allow, vec![arg(0, *one, a), arg(2, *two, b)])],
                // One argument twice in one rule: either.
                vec![rule("fcntl", Action::Allow, vec![arg(1, *one, a), arg(1, *two, b)])],
                // Two actions, one argument: the order is libseccomp's own.
                vec![
                    rule("fcntl", Action::Errno(1), vec![arg(1, *one, a)]),
                    rule("fcntl", Action::Allow, vec![arg(1, *two, b)]),
                ],
                // Two rules, one action, different arguments.
                vec![
                    rule("fcntl", Action::Allow, vec![arg(0, *one, a)]),
                    rule("fcntl", Action::Allow, vec![arg(2, *two, b)]),
                ],
                // Two actions, different arguments.
                vec![
                    rule("fcntl", Action::Errno(1), vec![arg(2, *one, a)]),
                    rule("fcntl", Action::Allow, vec![arg(0, *two, b)]),
                ],
                // A rule without arguments, before and after.
                vec![
                    rule("fcntl", Action::Errno(1), vec![]),
                    rule("fcntl", Action::Allow, vec![arg(0, *two, b)]),
                ],
                vec![
                    rule("fcntl", Action::Allow, vec![arg(0, *one, b)]),
                    rule("fcntl", Action::Errno(1), vec![]),
                ],
                // The shorter first, then the longer.
                vec![
                    rule("fcntl", Action::Errno(1), vec![arg(0, *one, a)]),
                    rule("fcntl", Action::Allow, vec![arg(0, *one, a), arg(1, *two, b)]),
                ],
            ];
            let ordered = |op: &Op| matches!(op, Op::Lt | Op::Le | Op::Ge | Op::Gt);
            for (shape, rules) in shapes.into_iter().enumerate() {
                // Two inequalities of one argument: libseccomp 2.5 compares the second with what
                // the first left in the register. `rules_mean_what_they_say` covers these.
                if ordered(one) && ordered(two) && (1..=2).contains(&shape) {
                    continue;
                }
                let hint = format!("shape {shape}: {one:?} {a:#x}, {two:?} {b:#x}");
                if check(&profile(rules), CapSet::EMPTY, &Options::default(), &hint) {
                    compared += 1;
                } else {
                    refused += 1;
                }
            }
        }
    }
    if exporter().is_some() {
        assert!(refused < compared, "{refused} refused, {compared} compared");
    }
}

/// What a test says, in plain arithmetic.
fn holds(test: &ArgTest, wide: bool, arg: u64) -> bool {
    let width = if wide { u64::MAX } else { 0xffff_ffff };
    let (left, right) = (arg & width & test.mask, test.value & width & test.mask);
    match test.op {
        Op::Ne => left != right,
        Op::Lt => left < right,
        Op::Le => left <= right,
        Op::Eq | Op::MaskedEq => left == right,
        Op::Ge => left >= right,
        Op::Gt => left > right,
    }
}

#[test]
fn rules_mean_what_they_say() {
    let pairs = || OPS.iter().flat_map(|op| VALUES.map(|value| (*op, value)));
    for (one, a) in pairs() {
        for (two, b) in pairs() {
            let tests = [arg(1, one, a), arg(1, two, b)];
            let either = vec![rule("fcntl", Action::Allow, tests.to_vec())];
            let filter =
                compile(&profile(either.clone()), CapSet::EMPTY, &Options::default()).unwrap();
            for args in boundaries(&either) {
                for (arch, number, wide) in
                    [(X64, 72, true), (X64, TAG + 72, false), (I386, 55, false)]
                {
                    let expected = match tests.iter().any(|test| holds(test, wide, args[1])) {
                        true => Action::Allow,
                        false => Action::Errno(38),
                    };
                    let call = Call { arch, number, args };
                    assert_eq!(
                        run(filter.bytes(), &call),
                        expected.code(),
                        "{one:?} {a:#x} or {two:?} {b:#x}: {call:x?}"
                    );
                }
            }
        }
    }
}
