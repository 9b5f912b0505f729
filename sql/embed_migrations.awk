# Turns sql/migrations/NNNN_name.sql into MIGRATION(NNNN, "name", "text") for the C compiler.
#
# The text is a transaction: first a lock of the transaction (a session's would stay with PgBouncer;
# 17239 is "CW", our place among the advisory locks of a database that others use, too), then the
# version, which fails when somebody else was faster, then the file.
function line(s) { gsub(/["\\]/, "\\\\&", s); printf "\n\t\"%s\\n\"", s }
function finish() { if (open) { line("COMMIT;"); print ")" } }
FNR == 1 {
	finish(); open = 1
	file = FILENAME; gsub(/.*\/|\.sql$/, "", file)
	version = substr(file, 1, 4) + 0; name = substr(file, 6)
	printf "MIGRATION(%d, \"%s\",", version, name
	line("BEGIN;")
	line("SET LOCAL lock_timeout = '60s';")
	line("SELECT pg_advisory_xact_lock(17239, 1);")
	line("CREATE TABLE IF NOT EXISTS cronward_schema (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp());")
	line("INSERT INTO cronward_schema (version, name) VALUES (" version ", '" name "');")
}
{ line($0) }
END { finish() }
