# Scopes from a real systemd and limits in a real cgroup v2: the library's own ignored tests.

one() {
	"$BOLT_UNIT_TESTS" --ignored --exact --test-threads=1 "cgroup::tests::$1" >out 2>&1
	status=$?
	cat out
	# A filter that matches nothing is a success too.
	[ "$status" = 0 ] && grep -q '^test result: ok. 1 passed' out
}
# The test program must be the only process of its unit.
alone() {
	systemd-run --user --scope -q -p Delegate=yes \
		"$BOLT_UNIT_TESTS" --ignored --exact --test-threads=1 cgroup::tests::lab_alone >out 2>&1
	status=$?
	cat out
	[ "$status" = 0 ] && grep -q '^test result: ok. 1 passed' out
}

if [ -z "$BOLT_UNIT_TESTS" ]; then
	skip 'cgroup v2 by the library' 'BOLT_UNIT_TESTS is not set'
else
	check 'a scope with limits, asked of systemd --user' one lab_scope
	check 'limits in a delegated unit without D-Bus' alone
fi
