# Games outside containers: a scope of systemd's, a leaf of a delegated directory, and that nothing
# of them stays, whatever was killed.

state=$HOME/.local/state/bolt/wrap
cat >show.sh <<'EOF'
dir=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
echo "$dir $(cat "$dir/cpu.weight") $(cat "$dir/memory.low")"
EOF
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$2"; }
settled() { # FILE SETTING STATE
	grep -q "\"setting\":\"$2\",\"value\":\"[^\"]*\",\"state\":\"$3\"" "$1" || { cat "$1"; return 1; }
}
gone() { # DIR: at once, or after a moment
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		[ -e "$1" ] || return 0
		sleep 0.5
	done
	ls -d "$1"
	return 1
}

scope() {
	said=$("$BOLT" game wrap --cpu-weight 500 --memory-low 64m --report scope.json -- sh show.sh) || return 1
	echo "$said"
	case $said in
	*/bolt-game-*.scope\ 500\ 67108864) ;;
	*) cat scope.json; return 1 ;;
	esac
	settled scope.json --cpu-weight applied || return 1
	# What app.slice does not protect is not protected, whatever is written below it.
	settled scope.json --memory-low denied && grep -q 'no effect' scope.json || return 1
	grep -q '"watcher":null' scope.json && gone "${said%% *}"
}
check 'a game gets a scope of systemd, which goes with it' scope

# Runs within a delegated scope: its own shell in a leaf, so that the scope can be divided.
cat >leaf.sh <<'EOF'
top=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "$top/keep" && echo $$ >"$top/keep/cgroup.procs" || exit 1
. ./leaf-checks.sh
for one in ends game watcher both survivor; do
	echo "leaf: $one"
	"leaf_$one" || exit 1
done
EOF
cat >leaf-checks.sh <<'EOF'
start() { # a game that lives: sets pid, watcher, dir
	rm -f leaf.json
	"$BOLT" game wrap --cpu-weight 300 --report leaf.json -- "$@" &
	while ! [ -s leaf.json ]; do sleep 0.1; done
	pid=$(number pid leaf.json) watcher=$(number watcher leaf.json)
	dir=$top/bolt-game-$pid
	settled leaf.json --cpu-weight applied && [ "$(cat "$dir/cpu.weight")" = 300 ] &&
		[ "$(cat "$dir/cgroup.procs")" = "$pid" ] && [ -e "$state/$pid-"*.json ]
}
leaf_ends() {
	said=$("$BOLT" game wrap --cpu-weight 300 --report leaf.json -- sh show.sh) || return 1
	case $said in
	"$top"/bolt-game-*\ 300\ *) gone "${said%% *}" && gone "$state" ;;
	*) echo "$said"; cat leaf.json; return 1 ;;
	esac
}
leaf_game() { start sleep 1000 && kill -9 "$pid" && gone "$dir" && gone "$state"; }
leaf_watcher() {
	start sleep 1000 && kill -9 "$watcher" && kill -9 "$pid" && wait "$pid"
	[ -d "$dir" ] && "$BOLT" version >/dev/null && gone "$dir" && gone "$state"
}
leaf_both() {
	start sleep 1000 && kill -9 "$pid" "$watcher" && wait "$pid"
	"$BOLT" version >/dev/null && gone "$dir" && gone "$state"
}
leaf_survivor() {
	start sh -c 'sleep 3 & echo $! >survivor; exit 0' && wait "$pid"
	[ -d "$dir" ] && gone "$dir" && gone "$state"
}
EOF
sed -n '/^number()/,/^}/p;/^gone()/,/^}/p' "$LAB/checks/50-wrap.sh" >functions.sh
leaves() {
	{ echo "state='$state'"; cat functions.sh; } >env.sh
	BOLT="$BOLT" systemd-run --user --scope -q -p Delegate=yes sh -c '. ./env.sh; . ./leaf.sh'
}
check 'a leaf of a delegated directory goes with its game, whatever is killed' leaves

protected() {
	# As root would set it, for all above.
	dir=$(sed -n 's/^0:://p' /proc/self/cgroup)
	systemctl --user set-property --runtime app.slice MemoryLow=1G || return 1
	"$BOLT" game wrap --memory-low 64m --report low.json -- true
	# user@.service above it is root's, and protects nothing here.
	settled low.json --memory-low denied && grep -q "no effect: .*user@[0-9]*.service protects" low.json
}
check 'memory is not called protected while a directory above is not' protected
