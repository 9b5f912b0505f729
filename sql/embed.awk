# Turns the "-- name: x" blocks of sql/*.sql into one line each for the C compiler:
#   SQL(FILE_X, "file_x", parameters, "/* file_x */ text")
# The list is included twice (enum and table), so the two cannot disagree.
#
# A file whose rows lie in several tables has a line "-- source: name key=value ..." for each of
# them (more lines of the same name add keys): the blocks below are written once for every source,
# as FILE_NAME_X, with {key} in the text replaced by the source's value; those above once, as ever.
function put(   i) {
	if (block == "") return
	if (sources == 0) line(file "_" block, text)
	for (i = 1; i <= sources; i++) line(file "_" source[i] "_" block, filled(i))
	block = ""
}
function line(id, body) { printf "SQL(%s, \"%s\", %d, \"/* %s */\\n\"%s)\n", toupper(id), id, params, id, body }
function filled(i,   key, body, from, at) {
	body = text
	for (key in value)
		if (index(key, source[i] SUBSEP) == 1) {
			from = "{" substr(key, length(source[i]) + 2) "}"
			while ((at = index(body, from))) body = substr(body, 1, at - 1) value[key] substr(body, at + length(from))
		}
	return body
}
FNR == 1        { put(); file = FILENAME; gsub(/.*\/|\.sql$/, "", file); sources = 0; last = ""; split("", value) }
/^-- source: / {
	put()
	if ($3 != last) source[++sources] = last = $3
	for (n = 4; n <= NF; n++) value[$3, substr($n, 1, index($n, "=") - 1)] = substr($n, index($n, "=") + 1)
	next
}
/^-- name: /    { put(); block = $3; params = 0; text = ""; next }
block == "" || /^[ \t]*--/ || /^[ \t]*$/ { next }
{
	sub(/[ \t]+--[ \t].*$/, "")
	for (s = $0; match(s, /\$[0-9]+/); s = substr(s, RSTART + RLENGTH))
		if ((k = substr(s, RSTART + 1, RLENGTH - 1) + 0) > params) params = k
	gsub(/["\\]/, "\\\\&"); text = text "\n\t\"" $0 "\\n\""
}
END             { put() }
