# Scopes from a real systemd and limits in a real cgroup v2: the library's own ignored tests, and
# what `run` leaves in the files of a container's groups.

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

if [ -z "$BOLT" ] || [ -z "$BOLT_SHIM" ]; then
	skip 'limits of run in cgroup v2' 'BOLT and BOLT_SHIM are not set'
	exit 0
fi
export BOLT_ROOT="$PWD/root"
bolt() { "$BOLT" "$@"; }
python3 "$LAB/layers.py" "$PWD/image" one 1
bolt pull -q oci:image:one >/dev/null

# run_limited FLAGS: the container `held`, its group $dir and the scope around it, $scope.
run_limited() {
	bolt run -d --replace --name held --network none "$@" one sleep 1000 >id 2>err || {
		cat err
		return 1
	}
	# Nothing is denied.
	cat err
	[ ! -s err ] || return 1
	dir=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(bolt inspect -f '{{.State.Pid}}' held)/cgroup")
	scope=${dir%/payload}
	[ "$scope" != "$dir" ]
}
# reads WANT FILE...: what the files hold, one a line.
reads() {
	want=$1
	shift
	have=$(cat "$@") || return 1
	[ "$have" = "$want" ] || {
		echo "$*: $have"
		return 1
	}
}
# In v2 swap is counted by itself: --memory-swap is the sum of both.
swap() {
	run_limited -m 64m --memory-swap 96m && reads '67108864
33554432' "$dir/memory.max" "$dir/memory.swap.max" || return 1
	bolt rm -f -t 0 held >/dev/null
	run_limited -m 64m --memory-swap 64m && reads 0 "$dir/memory.swap.max" || return 1
	bolt rm -f -t 0 held >/dev/null
	run_limited -m 64m --memory-swap -1 && reads max "$dir/memory.swap.max" || return 1
	bolt rm -f -t 0 held >/dev/null
}
# Siblings compare weights: it belongs to the scope.
shares() {
	run_limited --cpu-shares 512 && reads 20 "$scope/cpu.weight" || return 1
	bolt rm -f -t 0 held >/dev/null
}
processors() {
	run_limited --cpuset-cpus 1 && reads '1
1' "$dir/cpuset.cpus" "$dir/cpuset.cpus.effective" || return 1
	bolt rm -f -t 0 held >/dev/null
}
# All of it at once, and again at the next start.
all_three() {
	run_limited -m 64m --memory-swap 96m --cpu-shares 512 --cpuset-cpus 1 || return 1
	reads '33554432
1' "$dir/memory.swap.max" "$dir/cpuset.cpus" && reads 20 "$scope/cpu.weight" || return 1
	bolt restart -t 0 held >/dev/null || return 1
	[ "$(bolt exec held cat /sys/fs/cgroup/memory.swap.max /sys/fs/cgroup/cpuset.cpus)" = '33554432
1' ] && reads 20 "$scope/cpu.weight" || return 1
	bolt rm -f -t 0 held >/dev/null
}

check 'run --memory-swap holds' swap
check 'run --cpu-shares holds' shares
check 'run --cpuset-cpus holds' processors
check 'limits of run hold together, and at the next start' all_three
