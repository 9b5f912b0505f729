# shellcheck shell=bash
# Processes in the background.  STATE/pid/NAME holds "pid start-time mark" of each: the start time
# tells it from a stranger with the same number, the mark says what it was started with.

SERVICE_PID=

# The start time of a process in clock ticks; nothing for one that is gone or a zombie.
process_started() {
	local stat

	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	# Behind the name, which may hold anything: state, parent, group, session, ... start time.
	read -ra stat <<<"${stat##*) }"
	[[ ${stat[0]} == Z ]] || printf '%s\n' "${stat[19]}"
}

# Sets SERVICE_PID and SERVICE_MARK when it is alive.
service_alive() {
	local pid started

	SERVICE_PID='' SERVICE_MARK=''
	[[ -f $STATE/pid/$1 ]] && read -r pid started SERVICE_MARK <"$STATE/pid/$1" || return 1
	[[ -n $pid && $(process_started "$pid") == "$started" ]] || return 1
	SERVICE_PID=$pid
}

# service_start NAME MARK COMMAND...: its output goes to VAR/log/NAME.log.
service_start() {
	local name=$1 mark=$2 pid

	(
		cd "$STATE" || exit 1
		ulimit -c 0
		# Neither our lock nor a pipe of whoever called us may live on in it.
		exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
		exec setsid "${@:3}" </dev/null >>"$VAR/log/$name.log" 2>&1
	) &
	pid=$!
	disown
	printf '%s %s %s\n' "$pid" "$(process_started "$pid")" "$mark" >"$STATE/pid/$name"
}

# service_runs NAME MARK: whether it runs as wanted; one that was started otherwise is ended.
service_runs() {
	if ! service_alive "$1"; then
		service_sweep "$1"
		return 1
	fi
	[[ $SERVICE_MARK != "$2" ]] || return 0
	service_stop "$1" "$(service_signal_of "$1")" 60
	return 1
}

service_signal_of() {
	case $1 in
	nginx) echo QUIT ;;
	postgres) echo INT ;;
	*) echo TERM ;;
	esac
}

service_signal() {
	! service_alive "$1" || kill -s "$2" "$SERVICE_PID" 2>/dev/null || true
}

# service_stop NAME SIGNAL SECONDS
service_stop() {
	service_signal "$1" "$2"
	service_wait_end "$1" "$3"
}

service_wait_end() {
	[[ -f $STATE/pid/$1 ]] || return 0
	if ! service_alive "$1"; then
		service_sweep "$1"
	elif ! wait_until 2 service_is_gone "$1" && ! service_end_again "$1" "$2"; then
		say "$1 did not end within $2 s and is killed"
		service_signal "$1" KILL
		wait_until 5 service_is_gone "$1" || fail "$1 (pid $SERVICE_PID) cannot be killed"
		service_sweep "$1"
	fi
	rm -f "$STATE/pid/$1"
}

# service_end_again NAME SECONDS: a process that multiwatch had only just forked missed what it was
# told before it was cronward; multiwatch waits for it, and tells it when it is told again.
service_end_again() {
	service_signal "$1" "$(service_signal_of "$1")"
	wait_until "$2" service_is_gone "$1"
}

# Ends what a dead service left behind: nginx's workers go on listening without their master.
# Each service began a session, and a session's number is not given away while somebody is in it.
service_sweep() {
	local leader left

	[[ -f $STATE/pid/$1 ]] && read -r leader _ <"$STATE/pid/$1" || return 0
	[[ -z $(process_started "$leader") ]] || return 0
	# Without the name, which may hold anything: pid, state, parent, group, session.
	left=$(cat /proc/[1-9]*/stat 2>/dev/null | sed 's/^\([0-9]*\) (.*) /\1 /' |
		awk -v leader="$leader" '$5 == leader && $2 != "Z" { print $1 }') || true
	# shellcheck disable=SC2086 # a list of numbers
	[[ -z $left ]] || kill -s KILL $left 2>/dev/null || true
}

service_is_gone() {
	! service_alive "$1"
}

# wait_until SECONDS COMMAND...
wait_until() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# service_fail NAME MESSAGE: with what it said last.
service_fail() {
	tail -n 8 "$VAR/log/$1.log" >&2 2>/dev/null || true
	fail "$2; all of it: $VAR/log/$1.log"
}

# What a service was started with, in one word.
mark_of() {
	sha256sum | cut -c 1-16
}
