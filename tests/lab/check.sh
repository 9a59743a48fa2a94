# Read by `guest` before each check.

# check 'what must hold' COMMAND...: one PASS or FAIL line; the output is shown on failure.
check() {
	what=$1
	shift
	if output=$("$@" 2>&1); then
		echo "PASS $what" | tee -a "$LAB_RESULTS"
	else
		echo "FAIL $what: $(printf '%s' "$output" | tail -n 40)" | tee -a "$LAB_RESULTS"
	fi
}

# skip 'what' 'why': told, and counted as neither.
skip() {
	echo "SKIP $1: $2"
}

# soon COMMAND...: it succeeds within 20 seconds; else its output.
soon() {
	for _ in $(seq 100); do
		"$@" >soon 2>&1 && return 0
		sleep 0.2
	done
	cat soon
	return 1
}
