# The tests of tests/main.rs that start containers, as they are run elsewhere: here under an older
# kernel, with cgroup v2 and `systemd --user`, by a user who is not root.

if [ -z "$BOLT_SUITE" ]; then
	skip 'the suite' 'BOLT_SUITE is not set'
	exit 0
fi
export BOLT
# suite NAME...: the tests whose names begin so.
suite() {
	for name in "$@"; do
		CI= "$BOLT_SUITE" --test-threads=2 "$name::" >out 2>&1 && grep -q '^test result: ok. [1-9]' out || {
			grep -v ' \.\.\. ok$' out
			return 1
		}
	done
}

check 'starts, names and exit codes' suite run::exit
check 'terminals' suite run::terminal
check 'crashes' suite supervise::crashes
