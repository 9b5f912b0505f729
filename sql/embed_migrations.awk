# Turns sql/migrations/NNNN_name.sql into MIGRATION(NNNN, "name", "text") for the C compiler.
FNR == 1 {
	if (open) print ")"
	file = FILENAME; gsub(/.*\/|\.sql$/, "", file)
	printf "MIGRATION(%d, \"%s\",", substr(file, 1, 4) + 0, substr(file, 6); open = 1
}
{ gsub(/["\\]/, "\\\\&"); printf "\n\t\"%s\\n\"", $0 }
END { if (open) print ")" }
