# shellcheck shell=bash
# The certificate, and an nginx of our own with the site of nginx/.

site_make() {
	local budget=${RUN_BUDGET_S:-20} values

	certificate_make
	mkdir -p "$STATE/nginx/cronward" "$STATE/nginx/temp"
	[[ $budget =~ ^[0-9]{1,4}$ ]] || fail "RUN_BUDGET_S: \"$budget\" is no number of seconds"
	[[ ${PLAIN_HTTP:=serve} == serve || $PLAIN_HTTP == refuse ]] ||
		fail "PLAIN_HTTP: \"$PLAIN_HTTP\" is neither serve nor refuse"
	values=(
		USER="$( ((!AS_ROOT)) || echo "user $POOL_USER $POOL_GROUP;")"
		RUN="$RUN" TEMP="$STATE/nginx/temp" LOGS="$VAR/log" SOCKETS="$RUN/fcgi"
		LISTEN_TLS="listen 127.0.0.1:$PORT_TLS ssl default_server;"
		LISTEN_HTTP="listen 127.0.0.1:$PORT_HTTP default_server;"
		SERVER_NAME=localhost
		CERTIFICATE="$VAR/tls/cert.pem" CERTIFICATE_KEY="$VAR/tls/key.pem"
		RATE="${RATE_LIMIT:-30r/s}" BURST="${RATE_BURST:-120}"
		READ_TIMEOUT="$((10#$budget + 15))s"
		PLAIN_ROUTES="$([[ $PLAIN_HTTP == serve ]] && echo routes || echo routes-refused)"
	)
	cp "$ROOT"/nginx/cronward/*.conf "$STATE/nginx/cronward/"
	cp "$ROOT/deploy/demo/allow.conf" "$STATE/nginx/cronward/allow.conf"
	"$ROOT/nginx/fill" "${values[@]}" <"$ROOT/nginx/cronward.conf.in" >"$STATE/nginx/cronward.conf"
	"$ROOT/nginx/fill" "${values[@]}" <"$ROOT/nginx/nginx.conf.in" >"$STATE/nginx/nginx.conf"
}

# ECDSA, for this machine alone; made again when less than a week is left.
certificate_make() {
	mkdir -p "$VAR/tls"
	! openssl x509 -checkend 604800 -noout -in "$VAR/tls/cert.pem" >/dev/null 2>&1 || return 0
	(
		umask 077
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 365 \
			-keyout "$VAR/tls/key.pem" -out "$VAR/tls/cert.pem" -subj /CN=localhost \
			-addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>"$VAR/log/openssl.log"
	) || service_fail openssl "the certificate could not be made"
	chmod 644 "$VAR/tls/cert.pem"
}

site_check_ports() {
	! service_runs nginx "$(site_mark)" || return 0
	site_check_port PORT_TLS "$PORT_TLS"
	site_check_port PORT_HTTP "$PORT_HTTP"
	[[ $PORT_TLS != "$PORT_HTTP" ]] || fail "PORT_TLS and PORT_HTTP are the same"
}

site_check_port() {
	[[ $2 =~ ^[1-9][0-9]{0,4}$ && $2 -le 65535 ]] || fail "$1: \"$2\" is no port"
	# A moment for what was just ended to let go of it.
	wait_until 2 port_is_free "$2" || fail "port $2 is taken: choose another with $1=..."
}

port_answers() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

port_is_free() {
	! port_answers "$1"
}

site_mark() {
	{
		cat "$STATE"/nginx/*.conf "$STATE"/nginx/cronward/*.conf "$VAR/tls/cert.pem"
	} | mark_of
}

site_start() {
	local mark

	mark=$(site_mark)
	if ! service_runs nginx "$mark"; then
		TZ=UTC service_start nginx "$mark" "$(command -v nginx)" -e stderr -p "$STATE/nginx" \
			-c "$STATE/nginx/nginx.conf"
		wait_until 15 site_answers_or_died || true
		site_answers || service_fail nginx "nginx did not start (ports $PORT_TLS and $PORT_HTTP)"
	fi
	wait_until 30 site_is_ready ||
		service_fail api "the pools do not answer /readyz: $(site_ask /readyz 2>&1)"
}

site_answers() {
	service_alive nginx && port_answers "$PORT_TLS" && port_answers "$PORT_HTTP"
}

site_answers_or_died() {
	service_is_gone nginx || site_answers
}

# No new calls from here on; those that run go on.
site_close() {
	service_alive nginx || return 0
	service_signal nginx QUIT
	wait_until 5 site_is_closed || true
}

site_is_closed() {
	port_is_free "$PORT_TLS" && port_is_free "$PORT_HTTP"
}

# site_ask PATH [CURL OPTIONS...]
site_ask() {
	curl -sS --max-time 60 --noproxy '*' --cacert "$VAR/tls/cert.pem" "${@:2}" \
		"https://127.0.0.1:$PORT_TLS$1"
}

site_is_ready() {
	# From an address of its own, not to use up the callers' rate.
	site_ask /readyz -f --interface 127.0.0.100 >/dev/null 2>&1
}
