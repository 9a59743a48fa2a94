# The road of `bolt run` on a kernel without `lowerdir+`, in a session with delegated cgroup v2.

if [ -z "$BOLT" ] || [ -z "$BOLT_SHIM" ]; then
	skip 'bolt in the lab' 'BOLT and BOLT_SHIM are not set'
	exit 0
fi
export BOLT_ROOT="$PWD/root"
bolt() { "$BOLT" "$@"; }
plain="--network none"

image() {
	python3 "$LAB/layers.py" "$PWD/$1" "$1" "$2" && bolt pull -q "oci:$PWD/$1:$1"
}
runs() {
	[ "$(bolt run --rm $plain one sh -c 'id -u; cat /top')" = "0
top" ]
}
exit_code() {
	status=0
	bolt run --rm $plain one sh -c 'exit 42' || status=$?
	[ "$status" = 42 ]
}
many_layers() {
	[ "$(bolt run --rm $plain many sh -c 'ls /layers | wc -l; touch /layers/new && cat /layers/126')" = "126
126" ]
}
whole_range() {
	bolt run --rm $plain one cat /proc/self/uid_map | grep -q '65536$'
}
kept_id() {
	[ "$(bolt run --rm $plain --userns keep-id one id -u)" = "$(id -u)" ]
}
limits() {
	out=$(bolt run --rm $plain -m 64m --pids-limit 20 --cpus 0.5 one sh -c \
		'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max' 2>err)
	cat err
	[ ! -s err ] && [ "$out" = "67108864
20
50000 100000" ]
}
out_of_memory() {
	status=0
	bolt run --name hungry $plain -m 32m --memory-swap 32m one tail /dev/zero 2>err || status=$?
	cat err
	[ "$status" = 137 ] && [ "$(bolt inspect -f '{{.State.OOMKilled}}' hungry)" = true ] &&
		bolt rm hungry
}
exec_is_limited() {
	bolt run -d --name limited $plain -m 64m one sleep 100 || return 1
	payload=$(bolt inspect -f '{{.State.Pid}}' limited)
	bolt exec -d limited sleep 99
	pid=$(pgrep -f 'sleep 99' | head -n 1)
	[ "$(cat "/proc/$payload/cgroup")" = "$(cat "/proc/$pid/cgroup")" ] && bolt rm -f -t 0 limited
}
# An exec from a foreign cgroup: the caller sits in a scope of his own.
foreign_exec() {
	bolt run -d --name home $plain -m 64m one sleep 100 || return 1
	systemd-run --user --scope -q "$BOLT" exec home cat /proc/self/cgroup >in
	cat in
	bolt rm -f -t 0 home
	grep -qx '0::/' in
}
orphan() {
	bolt run -d --name lost $plain one sleep 1000 || return 1
	payload=$(bolt inspect -f '{{.State.Pid}}' lost)
	kill -9 "$(sed -n 's/.*"monitor":\([0-9]*\).*/\1/p' "$BOLT_ROOT"/containers/*/state.json)"
	bolt ps -a --format '{{.State}}' | grep -qx orphaned || return 1
	bolt rm -f -t 0 lost || return 1
	[ ! -e "/proc/$payload" ] && [ -z "$(bolt ps -aq)" ]
}
# Debian 6.1 has no lowerdir+, and bolt mounts such a root itself.
copied_out() {
	bolt run --name still $plain many sh -c 'echo kept >/kept' || return 1
	bolt cp still:/kept out && [ "$(cat out)" = kept ] && bolt rm still >/dev/null
}
# What a container that runs gets holds at once, and at its next start.
updated() {
	bolt run -d --name grow $plain -m 64m --memory-reservation 8m one sleep 1000 || return 1
	dir=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(bolt inspect -f '{{.State.Pid}}' grow)/cgroup")
	scope=${dir%/payload}
	[ "$(cat "$dir/memory.low" "$scope/memory.low" | sort -u)" = 8388608 ] || return 1
	[ ! -e "$dir/cpu.max" ] || return 1
	bolt update -m 96m --memory-swap 100m --memory-reservation 16m --cpus 0.5 -c 512 \
		--cpuset-cpus 1 --pids-limit 33 grow || return 1
	[ "$(cd "$dir" && cat memory.max memory.swap.max memory.low cpu.max cpuset.cpus pids.max)" = \
"100663296
4194304
16777216
50000 100000
1
33" ] && [ "$(cd "$scope" && cat memory.low cpu.weight)" = "16777216
20" ] || return 1
	bolt update -m 0 --cpus 0 --pids-limit -1 grow || return 1
	[ "$(cd "$dir" && cat memory.max cpu.max pids.max)" = "max
max 100000
max" ] || return 1
	bolt update --cpus 1.5 grow && bolt restart -t 0 grow || return 1
	bolt exec grow cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpuset.cpus >now
	cat now
	[ "$(cat now)" = "150000 100000
1" ] && bolt inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}' grow | grep -qx '1500000000 0'
}
# What is denied is told, not recorded, and the rest holds.
half_updated() {
	status=0
	bolt update --cpuset-cpus 77 --pids-limit 44 grow 2>err >out || status=$?
	cat err out
	[ "$status" = 125 ] && [ ! -s out ] && grep -q 'denied: --cpuset-cpus: processor 77' err || return 1
	[ "$(bolt exec grow cat /sys/fs/cgroup/pids.max)" = 44 ] || return 1
	bolt inspect -f '{{.HostConfig.CpusetCpus}} {{.HostConfig.PidsLimit}}' grow | grep -qx '1 44' || return 1
	bolt rm -f -t 0 grow >/dev/null
}
# One that is waited for has no control group of its own without limits.
without_group() {
	"$BOLT" run --name bare $plain one sleep 1000 >/dev/null 2>&1 &
	for _ in $(seq 100); do
		[ "$(bolt ps --format '{{.State}}')" = running ] && break
		sleep 0.1
	done
	later_limited
	status=$?
	bolt rm -f -t 0 bare
	return $status
}
later_limited() {
	bolt pause bare 2>err && return 1
	cat err
	grep -q 'it has no control group to freeze' err || return 1
	status=0
	bolt update -m 64m bare 2>err || status=$?
	cat err
	[ "$status" = 125 ] && grep -q 'denied: --memory: it .*stop the container, update it' err || return 1
	bolt stop -t 0 bare && bolt update -m 64m bare && bolt start bare || return 1
	[ "$(bolt exec bare cat /sys/fs/cgroup/memory.max)" = 67108864 ]
}
# Its control groups were made for it already.
dead_supervisor() {
	status=0
	BOLT_SHIM=/bin/true bolt run --rm $plain -m 64m one true 2>err || status=$?
	cat err
	[ "$status" = 125 ] && nothing_left
}
nothing_left() {
	left=$(ls "$BOLT_ROOT/containers" | grep -v by-name)
	groups=$(find /sys/fs/cgroup -name 'bolt-*' -type d 2>/dev/null)
	echo "$left$groups"
	[ -z "$left$groups" ] && ! pgrep -f 'bolt-shim monitor'
}
# The guest has no route out: the container starts all the same, with one line that says so.
network() {
	bolt run --rm one grep -q lo: /proc/net/dev 2>err || return 1
	cat err
	[ "$(wc -l <err)" -le 1 ]
}
nested_sandbox() {
	libraries=/usr/lib/x86_64-linux-gnu
	bolt run --rm $plain -v $libraries:$libraries:ro -v /usr/bin/bwrap:/bin/bwrap:ro one \
		$libraries/ld-linux-x86-64.so.2 --library-path $libraries \
		/bin/bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev true
}

check 'an image of one layer is pulled' image one 1
check 'an image of 127 layers is pulled' image many 127
check 'it runs' runs
check 'the exit code is the payload'"'"'s' exit_code
check '127 layers run' many_layers
check 'the whole range of ids is mapped' whole_range
check 'keep-id keeps the id' kept_id
check 'limits hold, by a scope of systemd --user' limits
check 'the OOM killer is seen' out_of_memory
check 'an exec counts in the limits' exec_is_limited
check 'an exec from another cgroup counts too' foreign_exec
check 'limits of a container that runs are changed' updated
check 'a limit that is denied is told and not recorded' half_updated
check 'a container without a control group gets its limits at its next start' without_group
check 'a container without its supervisor is an orphan, and can be removed' orphan
check 'files of a container that has ended are copied' copied_out
check 'a supervisor that dies at once leaves nothing' dead_supervisor
check 'a network by default' network
if [ -x /usr/bin/bwrap ]; then
	check 'bubblewrap runs inside' nested_sandbox
else
	skip 'bubblewrap inside' 'bubblewrap is not installed'
fi
check 'nothing is left behind' nothing_left
