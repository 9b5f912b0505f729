# shellcheck shell=bash
# Where things live, and whose they are.
#
# VAR holds everything, unless the accounts that PostgreSQL and the pools run as cannot get there
# (a checkout in /root): then STATE, which they own, stands in /var/lib and VAR/state points to it.
# RUN holds the sockets; a socket's path has 107 bytes at most, so below a long path it moves, too.
#
# Called by root, nothing runs as root that reads what comes from outside.  PostgreSQL runs as its
# package's account.  The pools run as nginx's workers do: that account exists, owns nothing else
# here, and is no superuser of the database, which PostgreSQL's own account would be.

SOCKET_ROOM=85 # of 107 bytes: the longest name below RUN has 22

say() {
	printf '%s\n' "$*"
}

fail() {
	printf 'deploy/local: %s\n' "$*" >&2
	exit 1
}

state_setup() {
	PATH=$PATH:/usr/sbin:/sbin
	PORT_TLS=${PORT_TLS:-8443}
	PORT_HTTP=${PORT_HTTP:-3000}
	mkdir -p "${VAR:-$ROOT/var}"
	VAR=$(cd "${VAR:-$ROOT/var}" && pwd -P)
	[[ $VAR != *[\"\'\\\$\{\}%\;]* ]] || fail "quotes and \$ { } % ; \\ cannot stand in a path: $VAR"
	AS_ROOT=$((EUID == 0))
	if ((AS_ROOT)); then
		DB_USER=postgres POOL_USER=www-data
		id "$DB_USER" >/dev/null 2>&1 || fail "there is no account postgres: run deploy/install-packages run"
	else
		DB_USER=$(id -un) POOL_USER=$DB_USER
	fi
	POOL_GROUP=$(id -gn "$POOL_USER")
	become "$DB_USER" && AS_DB=("${BECOME[@]}")
	become "$POOL_USER" && AS_POOL=("${BECOME[@]}")
	state_find
}

state_find() {
	if [[ -L $VAR/state ]]; then
		STATE=$(readlink "$VAR/state")
	elif [[ ! -d $VAR/postgres ]] && ! state_is_reachable; then
		STATE=/var/lib/cronward-$(sha256sum <<<"$VAR" | cut -c 1-12)
	else
		STATE=$VAR
	fi
	RUN=$STATE/run
	[[ ! -L $RUN ]] || RUN=$(readlink "$RUN")
}

state_is_reachable() {
	as "$DB_USER" test -x "$VAR" && as "$POOL_USER" test -x "$VAR"
}

# Sets BECOME to the words that make the command behind them run as USER.
become() {
	BECOME=()
	((!AS_ROOT)) ||
		BECOME=(setpriv --reuid="$1" --regid="$(id -g "$1")" --init-groups --no-new-privs)
}

# as USER COMMAND...; a caller's own directory may be closed to that account.
as() {
	become "$1"
	(cd / && exec "${BECOME[@]}" "${@:2}")
}

state_make() {
	if [[ $STATE != "$VAR" && ! -L $VAR/state ]]; then
		ln -s "$STATE" "$VAR/state"
	fi
	mkdir -p "$STATE" "$STATE/pid" "$VAR/log" || fail "cannot write to $STATE"
	[[ -w $STATE/pid && -w $VAR/log ]] || fail "$VAR belongs to $(stat -c %U "$VAR/log"); run this as that user"
	state_make_run
	owned "$DB_USER" "$POOL_GROUP" $((AS_ROOT ? 750 : 700)) "$RUN/postgres"
	owned "$(id -un)" "$POOL_GROUP" $((AS_ROOT ? 750 : 700)) "$RUN/fcgi"
}

state_make_run() {
	local base=/tmp

	if [[ -L $STATE/run && ! -O $RUN/. ]]; then # cleaned away, or no longer ours
		rm "$STATE/run"
		RUN=$STATE/run
	fi
	if [[ -L $STATE/run ]]; then
		return
	elif (($(LC_ALL=C && echo ${#RUN}) <= SOCKET_ROOM)); then
		mkdir -p "$RUN"
	else
		((!AS_ROOT)) || base=/run
		RUN=$(mktemp -d "$base/cronward.XXXXXXXX")
		chmod 755 "$RUN"
		ln -s "$RUN" "$STATE/run"
	fi
}

# owned USER GROUP MODE DIRECTORY
owned() {
	mkdir -p "$4"
	((!AS_ROOT)) || chown "$1:$2" "$4"
	chmod "$3" "$4"
}

state_remove() {
	local found

	[[ ! -L $STATE/run ]] || rm -rf "$RUN"
	if [[ $STATE == /var/lib/cronward-* ]]; then
		rm -rf "$STATE"
		rm -f "$VAR/state"
	fi
	for found in bin cronward.env demo lock log nginx pid postgres run secrets tls; do
		rm -rf "${VAR:?}/$found"
	done
	rmdir --ignore-fail-on-non-empty "$VAR"
}

# One at a time: two that start the same pool would both own it.
state_lock() {
	exec 9>"$VAR/lock" || fail "cannot write to $VAR"
	flock -w 120 9 || fail "another deploy/local is at work in $VAR"
}

# readable_copy FILE: where the pools' account can run it; a copy where it cannot reach the original.
readable_copy() {
	local copy=$STATE/bin/${1##*/}

	if as "$POOL_USER" test -x "$1"; then
		printf '%s\n' "$1"
		return
	fi
	mkdir -p "$STATE/bin"
	if ! cmp -s "$1" "$copy"; then
		install -m 755 "$1" "$copy.new"
		mv "$copy.new" "$copy"
	fi
	printf '%s\n' "$copy"
}
