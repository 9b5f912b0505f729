# shellcheck shell=bash
# A PostgreSQL of our own: Unix socket only, in a folder that nobody else can enter, peer
# authentication.  Two roles: postgres, its superuser, for its own account and whoever called us;
# cronward, owner of the database, for the pools as well.

database_url() {
	printf 'postgresql:///cronward?host=%s&port=5432&user=cronward' "${RUN// /%20}/postgres"
}

database_start() {
	local bin mark connections

	bin=$(database_bin) || fail "PostgreSQL's server is missing: run deploy/install-packages run"
	[[ -f $STATE/postgres/PG_VERSION ]] || database_make "$bin"
	[[ $(stat -c %U "$STATE/postgres") == "$DB_USER" ]] ||
		fail "$STATE/postgres belongs to $(stat -c %U "$STATE/postgres"); run this as whoever made it"
	database_access_write
	connections=$(($(pools_size) + 80))
	mark=$(mark_of <<<"$bin $RUN $connections")
	if ! service_runs postgres "$mark"; then
		# After a crash the old server's last process may take a moment to go.
		wait_until 20 database_launch "$bin" "$mark" "$connections" ||
			service_fail postgres "PostgreSQL did not start"
	fi
	[[ -n $(database_ask "SELECT 1 FROM pg_database WHERE datname = 'cronward'") ]] ||
		database_fill || fail "the database could not be made"
}

# database_launch BIN MARK CONNECTIONS: one attempt.  Who may connect is a matter of the socket's folder.
database_launch() {
	service_start postgres "$2" "${AS_DB[@]}" "$1/postgres" -D "$STATE/postgres" \
		-c listen_addresses= -c port=5432 -c unix_socket_directories="$RUN/postgres" \
		-c unix_socket_permissions=0777 -c max_connections="$3" \
		-c log_error_verbosity=terse -c log_min_error_statement=panic
	wait_until 120 database_answers_or_died
	database_answers
}

# Of the version that made the cluster, else the newest.
database_bin() {
	local version

	version=$(cat "$STATE/postgres/PG_VERSION" 2>/dev/null || true)
	# shellcheck disable=SC2086 # without a version it is a pattern
	printf '%s\n' /usr/lib/postgresql/${version:-[1-9]*}/bin/postgres /usr/pgsql-*/bin/postgres |
		sort -V | while read -r found; do
		[[ ! -x $found ]] || printf '%s\n' "${found%/*}"
	done | tail -n 1 | grep .
}

database_make() {
	owned "$DB_USER" "$(id -gn "$DB_USER")" 700 "$STATE/postgres"
	say "making a PostgreSQL cluster in $STATE/postgres"
	as "$DB_USER" "$1/initdb" -D "$STATE/postgres" -U postgres -E UTF8 --locale=C.UTF-8 \
		--auth=peer >"$VAR/log/initdb.log" 2>&1 ||
		service_fail initdb "initdb failed"
}

database_access_write() {
	local user

	echo "local all all peer map=cronward" | database_file pg_hba.conf
	for user in "$DB_USER" "$(id -un)"; do
		echo "cronward $user postgres"
		echo "cronward $user cronward"
	done | {
		cat
		echo "cronward $POOL_USER cronward"
	} | sort -u | database_file pg_ident.conf
}

database_file() {
	# By its owner, in whose folder it lies: root would follow a link that was put there.
	as "$DB_USER" tee "$STATE/postgres/$1" >/dev/null
}

database_fill() {
	database_ask "CREATE ROLE cronward LOGIN CREATEDB" &&
		database_ask "GRANT pg_signal_backend, pg_monitor TO cronward" &&
		database_ask "CREATE DATABASE cronward OWNER cronward"
}

database_ask() {
	psql -X -h "$RUN/postgres" -p 5432 -U postgres -d postgres -qAtc "$1"
}

database_answers() {
	[[ $(database_ask "SELECT 1" 2>/dev/null) == 1 ]]
}

database_answers_or_died() {
	database_answers || service_is_gone postgres
}

# Fast shutdown: open transactions roll back, everything committed is on disk.
database_stop() {
	service_stop postgres INT 60
}
