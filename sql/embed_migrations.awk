# Turns sql/migrations/NNNN_name.sql into lines for the C compiler:
#   MIGRATION(NNNN, "name", "text")             a step
#   MIGRATION_TABLE(NNNN, "table", is_theirs)   a table that it creates first, partitions aside;
#                                               is_theirs: its rows are the application's, cronward
#                                               inserts none
#   MIGRATION_SCRATCH("text", "text")           makes a schema to try the steps in, and undoes it
#
# A step runs in a transaction of the program's, under a lock (src/db/migrate.c).  It writes its
# version first, then comes the file.
function line(s) { gsub(/["\\]/, "\\\\&", s); printf "\n\t\"%s\\n\"", s }
function finish() {
	if (open) print ")"
	for (i = 1; i <= tables; i++) printf "MIGRATION_TABLE(%d, %s)\n", version, table[i]
	tables = 0
}
BEGIN {
	printf "MIGRATION_SCRATCH("
	line("SAVEPOINT scratch;")
	line("CREATE SCHEMA cronward_scratch;")
	line("SET LOCAL search_path = cronward_scratch;")
	printf ","
	line("ROLLBACK TO SAVEPOINT scratch;")
	print ")"
}
FNR == 1 {
	finish(); open = 1
	file = FILENAME; gsub(/.*\/|\.sql$/, "", file)
	version = substr(file, 1, 4) + 0; name = substr(file, 6)
	printf "MIGRATION(%d, \"%s\",", version, name
	line("CREATE TABLE IF NOT EXISTS cronward_schema (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp());")
	line("INSERT INTO cronward_schema (version, name) VALUES (" version ", '" name "');")
}
/^CREATE TABLE / && !/ PARTITION OF / {
	created = $0; sub(/^CREATE TABLE (IF NOT EXISTS )?/, "", created); sub(/[^a-z0-9_].*/, "", created)
	if (!seen[created]++) table[++tables] = "\"" created "\", " (/-- rows are the application's/ ? "true" : "false")
}
{ line($0) }
END { finish() }
