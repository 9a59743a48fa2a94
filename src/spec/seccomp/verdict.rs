//! From rules to one verdict per call number of one kind of program, as libseccomp would have it.
//!
//! - A rule without comparisons wins over all before it that have some; once there, nothing after
//!   it counts.
//! - Of several rules with comparisons, those on higher arguments are tried first, then equality
//!   before LE/LT before GE/GT, then larger values first (smaller for LE/LT): libseccomp's order,
//!   whatever the order in the file. The first that matches wins, none gives the default.
//! - A longer rule after a shorter one with the same beginning is dropped. Where libseccomp refuses
//!   a contradiction (the shorter one later, with another action), the longer one is tried first.
//! - Programs of 32 bits are compared in the low half of both sides.

use super::arch::Abi;
use super::profile::{Action, ArgTest, Op, Rule};
use std::collections::BTreeMap;

/// What happens to one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    Always(Action),
    /// The first whose tests all hold; none gives the default.
    First(Vec<Check>),
}

/// Tests in ascending order of arguments, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Check {
    pub(super) tests: Vec<ArgTest>,
    pub(super) action: Action,
}

/// One comparison on the way, and what may follow it.
#[derive(Debug)]
struct Node {
    test: ArgTest,
    action: Option<Action>,
    next: Vec<Node>,
}

#[derive(Debug)]
enum Draft {
    Always(Action),
    Tree(Vec<Node>),
}

/// The verdicts of `abi` by call number; calls that are not there get the default.
pub(super) fn by_number<'a>(
    abi: &Abi,
    rules: impl Iterator<Item = &'a Rule>,
    default: Action,
) -> BTreeMap<u32, Verdict> {
    let mut drafts = BTreeMap::new();
    for rule in rules.filter(|rule| rule.action != default) {
        for tests in alternatives(&rule.tests) {
            for name in &rule.names {
                if let Some((number, call)) = abi.multiplexer(name) {
                    add(&mut drafts, number, multiplexed(abi, &tests, call), rule.action);
                }
                if let Some(number) = abi.number(name) {
                    add(&mut drafts, number, normal(abi, &tests), rule.action);
                }
            }
        }
    }
    drafts.into_iter().map(|(number, draft)| (number, draft.finish())).collect()
}

/// Several comparisons of one argument are alternatives, each a rule of its own (as runc and crun
/// read the OCI specification, which libseccomp itself would refuse).
fn alternatives(tests: &[ArgTest]) -> Vec<Vec<ArgTest>> {
    let repeated = tests
        .iter()
        .enumerate()
        .any(|(at, test)| tests[..at].iter().any(|other| other.index == test.index));
    if repeated { tests.iter().map(|test| vec![*test]).collect() } else { vec![tests.to_vec()] }
}

/// As the program's words are compared: low halves only where it has 32 bits, tests that always
/// hold left out, arguments ascending.
fn normal(abi: &Abi, tests: &[ArgTest]) -> Vec<ArgTest> {
    let width = if abi.wide { u64::MAX } else { u64::from(u32::MAX) };
    let mut tests: Vec<ArgTest> = tests
        .iter()
        .map(|test| {
            let mask = test.mask & width;
            ArgTest { mask, value: test.value & mask, ..*test }
        })
        .filter(|test| test.mask != 0)
        .collect();
    tests.sort_by_key(|test| test.index);
    tests
}

/// The rule seen through `socketcall` or `ipc`: the first argument says which call it is, the
/// others keep their comparisons, though they are pointers there. libseccomp does so; a profile
/// that must be tight denies `socketcall` and `ipc` whole.
fn multiplexed(abi: &Abi, tests: &[ArgTest], call: u64) -> Vec<ArgTest> {
    let mut all = normal(abi, tests);
    all.retain(|test| test.index != 0);
    all.insert(0, ArgTest::new(0, Op::Eq, call));
    normal(abi, &all)
}

fn add(drafts: &mut BTreeMap<u32, Draft>, number: u32, tests: Vec<ArgTest>, action: Action) {
    let draft = drafts.entry(number).or_insert_with(|| Draft::Tree(Vec::new()));
    match draft {
        Draft::Always(_) => {}
        Draft::Tree(_) if tests.is_empty() => *draft = Draft::Always(action),
        Draft::Tree(level) => insert(level, &tests, action),
    }
}

/// Puts a rule into the tree at its place.
fn insert(level: &mut Vec<Node>, tests: &[ArgTest], action: Action) {
    let Some((test, rest)) = tests.split_first() else {
        return;
    };
    let at = match level.iter().position(|node| node.test == *test) {
        Some(at) => at,
        None => {
            let at = level.iter().position(|node| earlier(test, &node.test)).unwrap_or(level.len());
            let node = Node { test: *test, action: None, next: Vec::new() };
            level.insert(at, node);
            at
        }
    };
    let node = &mut level[at];
    if node.action.is_some() {
        return;
    }
    if rest.is_empty() {
        node.action = Some(action);
    } else {
        insert(&mut node.next, rest, action);
    }
}

/// Whether `new` is tried before `old`, which was there first. 64-bit values are told apart by their
/// high halves first; with these alike, but compared in other ways, the older one stays in front.
fn earlier(new: &ArgTest, old: &ArgTest) -> bool {
    let high = |word: u64| word >> 32;
    let masked = |test: &ArgTest| test.op == Op::MaskedEq;
    let (place, old_place) = (rank(new), rank(old));
    if place != old_place {
        return place > old_place;
    }
    let (a, b) = match new.op {
        Op::Le | Op::Lt => (old.value, new.value),
        _ => (new.value, old.value),
    };
    if high(a) != high(b) {
        return high(a) > high(b);
    }
    let apart =
        high(new.mask) != high(old.mask) || high(new.mask) != 0 && masked(new) != masked(old);
    !apart && a > b
}

/// Higher is tried earlier.
fn rank(test: &ArgTest) -> (u8, u8) {
    let op = match test.op {
        Op::Eq | Op::Ne | Op::MaskedEq => 3,
        Op::Le | Op::Lt => 2,
        Op::Ge | Op::Gt => 1,
    };
    (test.index, op)
}

impl Draft {
    fn finish(self) -> Verdict {
        match self {
            Draft::Always(action) => Verdict::Always(action),
            Draft::Tree(level) => {
                let mut checks = Vec::new();
                flatten(level, &mut Vec::new(), &mut checks);
                Verdict::First(checks)
            }
        }
    }
}

/// The tree as a list of whole rules, in the order they are tried.
fn flatten(level: Vec<Node>, before: &mut Vec<ArgTest>, checks: &mut Vec<Check>) {
    for node in level {
        before.push(node.test);
        flatten(node.next, before, checks);
        if let Some(action) = node.action {
            checks.push(Check { tests: before.clone(), action });
        }
        before.pop();
    }
}
