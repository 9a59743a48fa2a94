//! Tests that cannot run here say so; in CI the ones of `tests/required.txt` fail instead.

/// Called by `skip!`: prints the reason, or panics where the test must not be skipped.
pub(crate) fn skipped(function: &str, reason: &str) {
    let name = function.trim_start_matches("all::").trim_end_matches("::here");
    let required = include_str!("../required.txt").lines().any(|line| line == name);
    let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    assert!(!(required && ci), "{name} must not be skipped in CI: {reason}");
    println!("skipped: {name}: {reason}");
}

/// Ends the test that calls it: `skip!("no bwrap")`.
#[macro_export]
macro_rules! skip {
    ($reason:expr) => {{
        fn here() {}
        $crate::harness::skip::skipped(std::any::type_name_of_val(&here), &$reason);
        return;
    }};
}

/// A session, or the end of the test that calls it.
#[macro_export]
macro_rules! session {
    () => {
        match $crate::harness::user::Session::new() {
            Ok(session) => session,
            Err(reason) => $crate::skip!(reason),
        }
    };
}

#[test]
fn required_tests_exist() {
    let list = crate::harness::run(
        std::env::current_exe().unwrap().to_str().unwrap(),
        &["--list", "--format", "terse"],
    );
    for name in include_str!("../required.txt").lines() {
        assert!(list.lines().any(|l| l == format!("{name}: test")), "{name} is no test");
    }
}
