# shellcheck shell=bash
# The four pools.  spawn-fcgi opens the socket, multiwatch keeps the processes alive and drains
# them on SIGTERM; with its own defaults it would give up after 20 quick deaths, so never without
# -r and -t, and never with -s, which sends another signal than it says.

POOLS=(workers api inbound async)
# Calls that may wait for a process: more than the bursts that nginx lets through, of callers at
# second 0 and of events, so that nobody is turned away.  Those that waited too long for a run are
# answered 503 by the program.
POOL_BACKLOG=2048
POOL_ENV=()
PROGRAM=

# Reads the settings as the pools will, so that a wrong one stops us with the program's own words.
pools_check() {
	local program=${CRONWARD:-$ROOT/build/release/cronward}

	[[ -x $program ]] || fail "there is no $program: run make"
	PROGRAM=$(readable_copy "$(realpath "$program")")
	pool_env_make
	as "$POOL_USER" env -i "${POOL_ENV[@]}" "$PROGRAM" config >"$VAR/log/config.log" 2>&1 ||
		service_fail config "these settings do not work"
}

# What the pools are told: settings of the caller's, our own defaults, and nothing else that the
# caller's environment holds.
pool_env_make() {
	local name

	# shellcheck disable=SC2034 # read by name below
	EGRESS_ALLOW=${EGRESS_ALLOW:-127.0.0.0/8,::1}
	# shellcheck disable=SC2034
	DATABASE_URL=$(database_url)
	POOL_ENV=("PATH=/usr/bin:/bin" "TZ=UTC")
	for name in "${SECRETS[@]}" "${SECRETS[@]/%/_PREVIOUS}" "${SECRETS_GIVEN[@]}"; do
		[[ ! -f $STATE/secrets/$name ]] || POOL_ENV+=("${name}_FILE=$STATE/secrets/$name")
	done
	POOL_ENV+=("ENCRYPTION_KEYS_FILE=$STATE/secrets/ENCRYPTION_KEYS")
	for name in EGRESS_ALLOW DATABASE_URL $(setting_names); do
		[[ -z ${!name:-} || " ${POOL_ENV[*]}" == *" $name="* ]] || POOL_ENV+=("$name=${!name}")
	done
}

# The names in the program's table, but for what we set and what pools have no use for (a secret
# among their settings would stand in a command line), and what sanitizers and fault tools read.
setting_names() {
	local name secret

	"$PROGRAM" config --markdown | sed -n 's/^| `\([A-Z0-9_]*\)`.*/\1/p' | while read -r name; do
		for secret in "${SECRETS[@]}" "${SECRETS_GIVEN[@]}"; do
			[[ $name != "$secret" && $name != "$secret"_* ]] || continue 2
		done
		case $name in
		DATABASE_PASSWORD_FILE | ENCRYPTION_KEYS* | CRON_JOB_ORG_API_KEY*) ;;
		*) printf '%s\n' "$name" ;;
		esac
	done
	# What providers have besides a secret; the table cannot know their names.
	compgen -e | grep -E '^[A-Z][A-Z0-9_]*_WEBHOOK_(SCHEME|HEADER)$' || true
	printf '%s\n' ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS LD_PRELOAD FAKETIME FAKETIME_NO_CACHE
}

pools_migrate() {
	as "$POOL_USER" env -i "${POOL_ENV[@]}" "$PROGRAM" migrate >"$VAR/log/migrate.log" 2>&1 ||
		service_fail migrate "the database could not be migrated"
}

pools_start() {
	local pool

	for pool in "${POOLS[@]}"; do
		pool_start "$pool" "$(pool_size "POOL_${pool^^}")"
	done
	wait_until 10 pools_listen || fail "a pool has no socket; see $VAR/log"
}

# pool_size SETTING: as the program reads it.
pool_size() {
	awk -v setting="$1" '$1 == setting { print $2 }' "$VAR/log/config.log"
}

# Of all pools; each process has one connection to the database.
pools_size() {
	awk '/^POOL_/ { all += $2 } END { print all }' "$VAR/log/config.log"
}

# pool_start NAME SIZE
pool_start() {
	local socket=$RUN/fcgi/$1.sock mark account=()

	((!AS_ROOT)) ||
		account=(-u "$POOL_USER" -g "$POOL_GROUP" -U "$POOL_USER" -G "$POOL_GROUP")
	mark=$({
		sha256sum <"$PROGRAM"
		printf '%s\n' "$2" "$socket" "${POOL_ENV[@]}"
	} | mark_of)
	! service_runs "$1" "$mark" || return 0
	rm -f "$socket"
	service_start "$1" "$mark" env -i "${POOL_ENV[@]}" \
		"$(command -v spawn-fcgi)" -n -s "$socket" -b "$POOL_BACKLOG" -M 0660 "${account[@]}" -- \
		"$(command -v multiwatch)" -f "$2" -r 1000000 -t 1 -- "$PROGRAM" serve
}

pools_listen() {
	local pool

	for pool in "${POOLS[@]}"; do
		[[ -S $RUN/fcgi/$pool.sock ]] && service_alive "$pool" || return 1
	done
}

# All are told first, then waited for: a run that drains takes as long as its slowest item.
pools_stop() {
	local pool

	for pool in "${POOLS[@]}"; do
		service_signal "$pool" TERM
	done
	for pool in "${POOLS[@]}"; do
		service_wait_end "$pool" 60
		rm -f "$RUN/fcgi/$pool.sock"
	done
}
