# Output that goes to the journal: copied by the supervisor, or passed to the program.

if [ -z "$BOLT" ] || [ -z "$BOLT_SHIM" ]; then
	skip 'logs in the lab' 'BOLT and BOLT_SHIM are not set'
	exit 0
fi
export BOLT_ROOT="$PWD/root"
bolt() { "$BOLT" "$@"; }
python3 "$LAB/layers.py" "$PWD/image" one 1
bolt pull -q oci:image:one >/dev/null
journal() { journalctl -D /run/log/journal --no-pager -o cat "$@"; }

# The payload's stdout is the stream that systemd made for the unit: nobody copies.
passed() {
	systemd-run --user -q --unit pass -E "BOLT_ROOT=$BOLT_ROOT" -E "BOLT_SHIM=$BOLT_SHIM" \
		"$BOLT" run --rm --name pass --network none \
		--log-driver passthrough one sh -c 'echo said by the payload; sleep 1000' || return 1
	has_it() { journal _SYSTEMD_USER_UNIT=pass.service | grep -qx 'said by the payload'; }
	soon has_it || return 1
	pid=$(bolt inspect -f '{{.State.Pid}}' pass)
	case $(readlink "/proc/$pid/fd/1") in socket:*) ;; *) return 1 ;; esac
	! bolt logs pass 2>err && grep -q 'pass has no log: it was made with --log-driver passthrough' err
	status=$?
	bolt rm -f -t 0 pass >/dev/null
	return $status
}
entries() {
	bolt run --name says --network none --log-driver journald --log-opt tag=mine one \
		sh -c 'echo one; echo two >&2' || return 1
	soon has_both && bolt rm says >/dev/null
}
has_both() {
	[ "$(journal CONTAINER_NAME=says CONTAINER_TAG=mine SYSLOG_IDENTIFIER=mine | sort)" = "one
two" ] && [ "$(bolt logs says 2>/dev/null)" = one ] && [ "$(bolt logs says 2>&1 >/dev/null)" = two ]
}
follows() {
	bolt run -d --name talks --network none --log-driver journald one \
		sh -c 'for i in 1 2 3; do echo $i; sleep 1; done' >/dev/null || return 1
	[ "$(bolt logs -f talks)" = "1
2
3" ] && [ "$(bolt logs --tail 1 talks)" = 3 ] && bolt rm talks >/dev/null
}

check 'passthrough: the output of a unit is its own' passed
check 'journald: lines are entries that logs reads' entries
check 'journald: logs -f ends with the container' follows
