# Scopes from a real systemd and limits in a real cgroup v2: the library's own ignored tests.

if [ -z "$BOLT_UNIT_TESTS" ]; then
	skip 'cgroup v2 by the library' 'BOLT_UNIT_TESTS is not set'
else
	check 'scopes and limits by the library' \
		"$BOLT_UNIT_TESTS" --ignored --test-threads=1 cgroup::tests::lab
fi
