# The guest is what users' machines are: everything else here depends on it.

service=/sys/fs/cgroup/user.slice/user-$(id -u).slice/user@$(id -u).service

only_v2() {
	[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]
}
delegated() {
	[ -w "$service/cgroup.procs" ] || return 1
	for controller in cpuset cpu memory pids; do
		grep -qw "$controller" "$service/cgroup.controllers" || return 1
	done
}
running() {
	state=$(systemctl --user is-system-running)
	echo "$state"
	[ "$state" = running ]
}
in_scope() {
	systemd-run --user --scope -q -p Delegate=yes cat /proc/self/cgroup | grep 'app.slice/run-.*scope'
}
overlay() {
	unshare --user --map-root-user --mount sh -euc '
		mkdir lower upper work merged
		echo lower >lower/file
		mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work overlay merged
		echo changed >merged/file
		[ "$(cat upper/file)" = changed ]'
}
subordinate_ids() {
	unshare --user sleep 10 &
	pid=$!
	sleep 1
	newuidmap $pid 0 "$(id -u)" 1 1 300000 65536 && status=0 || status=$?
	kill $pid
	return $status
}

check 'an ordinary user' [ "$(id -u)" != 0 ]
check 'cgroup v2 alone' only_v2
check 'cgroup v2 is delegated' delegated
check 'systemd --user runs' running
check 'systemd makes a scope' in_scope
check 'overlay in a user namespace on a tmpfs' overlay
check 'newuidmap gives subordinate ids' subordinate_ids
