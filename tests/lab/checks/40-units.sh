# Units that `bolt generate systemd` makes, run by a real `systemd --user`.

if [ -z "$BOLT" ] || [ -z "$BOLT_SHIM" ]; then
	skip 'units in the lab' 'BOLT and BOLT_SHIM are not set'
	exit 0
fi
export BOLT_ROOT="$PWD/root"
units="$HOME/.config/systemd/user"
mkdir -p "$units"
bolt() { "$BOLT" "$@"; }
sc() { systemctl --user "$@"; }
is() { # is UNIT PROPERTY VALUE
	found=$(sc show -P "$2" "$1")
	[ "$found" = "$3" ] || {
		echo "$1: $2 is $found, not $3"
		sc status --no-pager "$1"
		return 1
	}
}
group() { # directory of a unit's control group
	echo "/sys/fs/cgroup$(sc show -P ControlGroup "$1")"
}
install() { # install NAME FLAGS...: a unit of the container NAME, made from a container that goes
	(cd "$units" && bolt generate systemd --files --name "$@" >/dev/null) && sc daemon-reload
}
python3 "$LAB/layers.py" "$PWD/image" one 1

# The image is not there: the unit pulls it. Odd words come through as they are.
odd='100% $HOME ${X} "q" '\''s'\'' \ ;'
starts() {
	BOLT_ROOT="$PWD/first" bolt create --name web --network none -m 64m --pids-limit 20 \
		-e "ODD=$odd" "oci:image:one" sh -c \
		'echo "said: $1"; echo "env: $ODD"; trap "exit 0" TERM; while :; do sleep 0.1; done' \
		x "$odd" || return 1
	BOLT_ROOT="$PWD/first" bolt generate systemd --new --name web |
		sed "s|^Environment=BOLT_ROOT=.*|Environment=BOLT_ROOT=$BOLT_ROOT|" \
			>"$units/container-web.service" || return 1
	sc daemon-reload && sc start container-web && is container-web ActiveState active
}
verified() {
	systemd-analyze verify --user --man=no "$units/container-web.service"
}
lies_in_the_unit() {
	dir=$(group container-web)
	pid=$(bolt inspect -f '{{.State.Pid}}' web)
	path=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
	echo "$path in $dir"
	case /sys/fs/cgroup$path in "$dir"/bolt-*) ;; *) return 1 ;; esac
	[ "$(cat "/sys/fs/cgroup$path/memory.max")" = 67108864 ] &&
		[ "$(cat "/sys/fs/cgroup$path/pids.max")" = 20 ] &&
		[ -z "$(cat "$dir/cgroup.procs")" ] &&
		[ "$(wc -l <"$dir/bolt-launcher/cgroup.procs")" = 2 ]
}
main_is_bolt() {
	main=$(sc show -P MainPID container-web)
	[ "$(readlink "/proc/$main/exe")" = "$BOLT" ]
}
journal() {
	journalctl -D /run/log/journal _SYSTEMD_USER_UNIT=container-web.service -o cat --no-pager |
		tee journal | grep -qxF "said: $odd" && grep -qxF "env: $odd" journal
}
reload() {
	before=$(bolt inspect -f '{{.State.Pid}}' web)
	sc daemon-reload && is container-web ActiveState active &&
		[ "$(bolt inspect -f '{{.State.Pid}}' web)" = "$before" ]
}
killed_and_back() {
	before=$(bolt inspect -f '{{.State.Pid}}' web)
	sc kill --signal=KILL container-web
	anew() {
		is container-web ActiveState active && now=$(bolt inspect -f '{{.State.Pid}}' web) &&
			[ "$now" != 0 ] && [ "$now" != "$before" ]
	}
	soon anew && [ "$(bolt ps -q | wc -l)" = 1 ]
}
stops() {
	begin=$(date +%s)
	sc stop container-web || return 1
	[ $(($(date +%s) - begin)) -lt 9 ] && is container-web Result success &&
		[ -z "$(bolt ps -aq)" ] && [ ! -e "$XDG_RUNTIME_DIR/container-web.service.ctr-id" ] &&
		[ ! -d "$(group container-web)/bolt-launcher" ]
}

exit_code() {
	bolt create --name fails --network none one sh -c 'exit 42' >/dev/null &&
		install --new --restart-policy=no fails && bolt rm fails >/dev/null || return 1
	sc start container-fails
	soon is container-fails ActiveState failed && is container-fails ExecMainStatus 42
}
restarts() {
	bolt create --name again --network none -v "$PWD:/d" one sh -c 'echo x >>/d/runs; sleep 0.5; exit 3' \
		>/dev/null && install --new --restart-sec=0 again && bolt rm again >/dev/null || return 1
	sc start container-again
	thrice() { [ "$(wc -l <runs)" -ge 3 ]; }
	soon thrice
	status=$?
	sc stop container-again
	return $status
}
terminated() {
	bolt create --name term --init --network none one sleep 1000 >/dev/null &&
		install --new --restart-policy=no -t 2 term && bolt rm term >/dev/null || return 1
	sc start container-term && sc kill container-term
	soon is container-term ActiveState inactive && is container-term Result success
}

# A container that was made by hand and stays: the unit starts and stops it.
kept() {
	bolt create --name kept --network none -m 32m one sh -c 'trap "exit 5" USR1 TERM; while :; do sleep 0.1; done' \
		>/dev/null && install --restart-policy=no kept && sc start container-kept &&
		is container-kept ActiveState active || return 1
	pid=$(bolt inspect -f '{{.State.Pid}}' kept)
	grep -q container-kept.service/bolt- "/proc/$pid/cgroup" || return 1
	sc kill --kill-whom=main --signal=USR1 container-kept
	soon is container-kept ActiveState failed && is container-kept ExecMainStatus 5 &&
		[ "$(bolt inspect -f '{{.State.Status}}' kept)" = exited ]
}
# With a terminal the supervisor itself is systemd's main process.
terminal() {
	bolt create -it --name tty --network none one sh >/dev/null &&
		install --new --restart-policy=no tty && bolt rm tty >/dev/null &&
		sc start container-tty && is container-tty ActiveState active || return 1
	monitor=$(bolt inspect -f '{{.State.ConmonPid}}' tty)
	is container-tty MainPID "$monitor" || return 1
	bolt exec tty kill -9 1 2>/dev/null
	pid=$(bolt inspect -f '{{.State.Pid}}' tty)
	kill -9 "$pid"
	soon is container-tty ActiveState failed && is container-tty ExecMainStatus 137
}

# The payload says when it is ready, with the host's own systemd-notify.
own_words() {
	usr=/usr/lib/x86_64-linux-gnu
	sd=/lib/x86_64-linux-gnu
	run="$usr/ld-linux-x86-64.so.2 --library-path $usr:$usr/systemd:$sd:$sd/systemd /bin/systemd-notify"
	bolt create --name says --network none --sdnotify container -v "$usr:$usr:ro" -v "$sd:$sd:ro" \
		-v /bin/systemd-notify:/bin/systemd-notify:ro one sh -c \
		"$run STATUS=loading; sleep 3; $run --ready --status=running; sleep 1000" >/dev/null &&
		install --new --restart-policy=no -t 0 says && bolt rm says >/dev/null || return 1
	sc start --no-block container-says
	soon is container-says StatusText loading && is container-says ActiveState activating &&
		soon is container-says ActiveState active && is container-says StatusText running
	status=$?
	[ "$status" = 0 ] || journalctl -D /run/log/journal -n 30 --no-pager
	sc stop container-says
	return $status
}
healthy() {
	bolt create --name well --network none --sdnotify healthy --health-cmd 'test -e /up' \
		--health-interval 300ms --health-on-failure kill --health-retries 2 \
		--health-start-period 4s one \
		sh -c 'sleep 2; touch /up; sleep 6; rm /up; sleep 1000' >/dev/null &&
		install --new --restart-policy=no well && bolt rm well >/dev/null || return 1
	sc start --no-block container-well
	sleep 1
	is container-well ActiveState activating && soon is container-well ActiveState active &&
		soon is container-well ActiveState failed && is container-well ExecMainStatus 137
}

# Two sockets of a socket unit, with names.
activated() {
	bolt create --name act --network none one sh -c \
		'echo "$LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES"; readlink /proc/self/fd/3; readlink /proc/self/fd/4; sleep 1000' \
		>/dev/null && install --new --restart-policy=no -t 0 act && bolt rm act >/dev/null || return 1
	for n in 1 2; do
		printf '[Socket]\nListenStream=%%t/act%s\nFileDescriptorName=name%s\nService=container-act.service\n' \
			$n $n >"$units/act$n.socket"
	done
	sc daemon-reload && sc start act1.socket act2.socket || return 1
	python3 -c 'import socket,sys
s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])' "$XDG_RUNTIME_DIR/act1" || return 1
	soon is container-act ActiveState active || return 1
	bolt logs act >log
	cat log
	sc stop container-act act1.socket act2.socket 2>/dev/null
	grep -qE '^1 2 name[12]:name[12]$' log && [ "$(grep -c '^socket:' log)" = 2 ]
}

# Whoever is started without being waited for outlives the unit that it is started in.
in_a_unit() {
	systemd-run --user -q --wait -p Type=oneshot -E "BOLT_ROOT=$BOLT_ROOT" "$BOLT" "$@"
}
outlives() {
	in_a_unit run -d --name stays --restart always \
		--network none one sh -c 'sleep 1000' >/dev/null || return 1
	first=$(bolt inspect -f '{{.State.Pid}}' stays)
	grep -q "/bolt-.*\.scope/payload$" "/proc/$first/cgroup" && bolt pause stays &&
		[ "$(bolt ps -a --format '{{.State}}' -f name=stays)" = paused ] && bolt unpause stays || return 1
	kill -9 "$first"
	anew() {
		now=$(bolt inspect -f '{{.State.Pid}}' stays) && [ "$now" != 0 ] && [ "$now" != "$first" ]
	}
	soon anew && grep -q "/bolt-.*\.scope/payload$" "/proc/$now/cgroup" && bolt stop -t 0 stays || return 1
	in_a_unit start stays && sleep 1 &&
		[ "$(bolt inspect -f '{{.State.Status}}' stays)" = running ] && bolt rm -f -t 0 stays
}
# What a unit requires was started for it, and stays when it goes.
required() {
	bolt create --name base --network none one sleep 1000 >/dev/null &&
		bolt create --name upper --requires base --network none one sleep 1000 >/dev/null &&
		install --new --restart-policy=no -t 0 upper && bolt rm upper >/dev/null &&
		sc start container-upper && [ "$(bolt ps --format '{{.Names}}' | sort | tr '\n' ' ')" = 'base upper ' ] &&
		sc stop container-upper || return 1
	[ "$(bolt ps --format '{{.Names}}')" = base ] && bolt rm -f -t 0 base
}
# Frozen processes hear no signal.
paused() {
	bolt create --name ice --network none one sh -c \
		'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done' >/dev/null &&
		install --new --restart-policy=no -t 2 ice && bolt rm ice >/dev/null &&
		sc start container-ice || return 1
	up() { [ "$(bolt logs ice)" = up ]; }
	soon up && bolt pause ice || return 1
	begin=$(date +%s)
	sc stop container-ice
	took=$(($(date +%s) - begin))
	echo "$took seconds, then $(bolt ps -a --format '{{.Names}} {{.Status}}')"
	[ $took -lt 9 ] && is container-ice Result success && [ -z "$(bolt ps -aq --filter name=ice)" ]
}

# What `enable` and `--restart` bring back is in two-boots; here the unit of `--boot` by itself.
boot_unit() {
	for policy in always unless-stopped no; do
		bolt create --name "boot-$policy" --network none --restart $policy -m 32m one sleep 1000 >/dev/null
	done
	mkdir source && bolt create --name boot-broken --network none --restart always -v "$PWD/source:/s" \
		one sleep 1000 >/dev/null && rmdir source || return 1
	(cd "$units" && bolt generate systemd --boot --files >/dev/null) && sc daemon-reload &&
		systemd-analyze verify --user --man=no "$units/bolt-restart.service" &&
		sc start bolt-restart && is bolt-restart ActiveState active || return 1
	[ "$(bolt ps --format '{{.Names}}' --sort names)" = "boot-always
boot-unless-stopped" ] || return 1
	for name in always unless-stopped; do
		pid=$(bolt inspect -f '{{.State.Pid}}' "boot-$name")
		grep -q bolt-restart.service/bolt- "/proc/$pid/cgroup" || return 1
	done
	sc stop bolt-restart && [ -z "$(bolt ps -q)" ] &&
		[ "$(bolt ps -aq --filter should-start-on-boot=true | wc -l)" = 3 ] &&
		bolt rm -f -a >/dev/null
}
no_left_overs() {
	left=$(bolt ps -a --format '{{.Names}}' | grep -v kept)
	groups=$(find /sys/fs/cgroup -name 'bolt-*' -type d 2>/dev/null)
	echo "$left$groups"
	[ -z "$left$groups" ] && ! pgrep -f 'bolt-shim monitor'
}

check 'a unit pulls its image, starts and says that it is ready' starts
check 'systemd-analyze verifies it' verified
check 'container and supervisor lie in leaves of the unit, with limits' lies_in_the_unit
check 'the main process is bolt' main_is_bolt
check 'the output is in the journal, odd words as they are' journal
check 'daemon-reload touches nothing' reload
check 'killed, it comes back' killed_and_back
check 'it stops in time and leaves nothing' stops
check 'the exit code is the unit'"'"'s' exit_code
check 'it is restarted on failure' restarts
check 'systemctl kill ends it well' terminated
check 'a unit starts a container that stays' kept
check 'with a terminal the supervisor is the main process' terminal
check 'a payload says itself that it is ready' own_words
check 'ready when healthy, killed when sick' healthy
check 'listening sockets are passed on' activated
check 'what is started in a unit and not waited for outlives it' outlives
check 'what a unit requires outlives it' required
check 'a unit whose container is paused stops in time' paused
check 'the boot unit starts what the policies want, whatever else is broken' boot_unit
check 'nothing is left' no_left_overs
sc reset-failed
bolt rm -f -a >/dev/null
