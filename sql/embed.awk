# Turns the "-- name: x" blocks of sql/*.sql into one line each for the C compiler:
#   SQL(FILE_X, "file_x", parameters, "/* file_x */ text")
# The list is included twice (enum and table), so the two cannot disagree.
function put() { if (id) printf "SQL(%s, \"%s\", %d,%s)\n", toupper(id), id, params, text; id = "" }
FNR == 1      { put(); file = FILENAME; gsub(/.*\/|\.sql$/, "", file) }
/^-- name: /  { put(); id = file "_" $3; params = 0; text = " \"/* " id " */\\n\""; next }
!id || /^[ \t]*--/ || /^[ \t]*$/ { next }
{
	sub(/[ \t]+--[ \t].*$/, "")
	for (s = $0; match(s, /\$[0-9]+/); s = substr(s, RSTART + RLENGTH))
		if ((k = substr(s, RSTART + 1, RLENGTH - 1) + 0) > params) params = k
	gsub(/["\\]/, "\\\\&"); text = text "\n\t\"" $0 "\\n\""
}
END           { put() }
