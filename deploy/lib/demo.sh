# shellcheck shell=bash
# The demo: rows, a receiver for the webhooks, one call of each worker as a cron service makes it, and
# an event as a payment provider sends it.

# Each route, and the secret that it wants.
DEMO_ROUTES=(/api/workers/webhookRetry /api/workers/notificationExpiry /api/workers/dataArchival /api/jobs/worker
	/api/v1/jobs/webhook-retry /api/cron/retry-webhooks /api/cron/process-email-queue /api/cron/cleanup-reservations
	/api/v1/jobs/whatsapp-health-check '/api/cron/sync-integrations?interval=15min' '/api/cron/sync-integrations?interval=30min')
DEMO_SECRETS=(CRON_JOB_API_KEY CRON_JOB_API_KEY CRON_JOB_API_KEY WORKER_SECRET_TOKEN
	CRON_SECRET CRON_SECRET CRON_SECRET CRON_SECRET
	CRON_SECRET CRON_SECRET CRON_SECRET)
DEMO_MAIL=/api/cron/process-email-queue

demo_run() {
	local seen failed=0 i

	demo_receiver_start
	demo_rows
	seen=$(wc -l <"$VAR/demo/receiver.log")
	for i in "${!DEMO_ROUTES[@]}"; do
		demo_call "${DEMO_ROUTES[i]}" "${DEMO_SECRETS[i]}" || failed=1
	done
	demo_count "$seen" || failed=1
	demo_event || failed=1
	say
	addresses_print
	demo_commands
	say "stop it with: make down"
	((failed == 0)) || fail "the demo did not work; logs are in $VAR/log"
}

demo_receiver_start() {
	local program=${DEMO_RECEIVER:-$ROOT/build/release/demo-receiver} secrets=$STATE/secrets/endpoints

	[[ -x $program ]] || fail "there is no $program: run make demo"
	program=$(readable_copy "$(realpath "$program")")
	mkdir -p "$VAR/demo"
	[[ -f $secrets ]] || secret_write endpoints "/orders whsec_$(openssl rand -base64 24)
/billing whsec_$(openssl rand -base64 24)"
	! service_runs receiver "$(mark_of <"$program")" || return 0
	ln -sfn ../log/receiver.log "$VAR/demo/receiver.log"
	: >>"$VAR/log/receiver.log"
	service_start receiver "$(mark_of <"$program")" "${AS_POOL[@]}" "$program" "$secrets"
	wait_until 5 demo_receiver_listens || service_fail receiver "the demo's receiver did not start"
}

demo_receiver_listens() {
	service_alive receiver && port_answers "$(demo_receiver_port)"
}

demo_receiver_port() {
	sed -n 's/^listening //p' "$VAR/demo/receiver.log" | tail -n 1
}

# The secrets go through standard input: a command line can be read by everybody.
demo_rows() {
	local secrets

	mapfile -t secrets <"$STATE/secrets/endpoints"
	{
		echo "\\set receiver 'http://127.0.0.1:$(demo_receiver_port)'"
		echo "\\set orders_secret '${secrets[0]#* }'"
		echo "\\set billing_secret '${secrets[1]#* }'"
		cat "$ROOT/deploy/demo/demo.sql"
	} | psql -X -q -v ON_ERROR_STOP=1 "$(database_url)" >"$VAR/log/demo.log" 2>&1 ||
		service_fail demo "the demo's rows could not be written"
}

# demo_call PATH SECRET: prints the reply; fails unless the status is as it should be.
demo_call() {
	local reply status wanted=200

	say
	say "POST https://127.0.0.1:$PORT_TLS$1"
	# The header through a file descriptor, for the same reason.
	reply=$(site_ask "$1" -X POST -w '\n%{http_code}' -H 'Content-Type: application/json' \
		-H @<(printf 'Authorization: Bearer %s\n' "${!2}") 2>&1) || true
	status=${reply##*$'\n'}
	say "$status ${reply%$'\n'*}"
	if [[ $1 == "$DEMO_MAIL" && (-z $RESEND_API_KEY || -z ${EMAIL_FROM:-}) ]]; then
		say "that is right: no mail goes out without RESEND_API_KEY and EMAIL_FROM, and none is touched"
		wanted=503
	fi
	case $reply in
	*'"checked":1,'*'"errors":1,'*) say "that is right: nobody has stored a token for the demo's number" ;;
	*'"providersSync":0,'*) say "that is right: the demo's one account waits until its user connects it again" ;;
	esac
	[[ $status == "$wanted" ]]
}

# What a provider sends, signed with the secret that we share (which is for this demo alone: while
# openssl runs, it can be read); then again, as they do when they have missed the reply; then what
# somebody else sends.
demo_event() {
	local id body signature forged processed

	# Whoever signs in another way is no part of the demo.
	[[ -z ${TELEBIRR_WEBHOOK_SCHEME:-}${TELEBIRR_WEBHOOK_HEADER:-} ]] || return 0
	id=demo_$(openssl rand -hex 8)
	body='{"event_id": "'$id'", "type": "payment.succeeded", "amount": 42}'
	signature=$(printf %s "$body" | openssl dgst -sha256 -hmac "$TELEBIRR_WEBHOOK_SECRET" | sed 's/.* //')
	forged=$(printf %s "$body" | openssl dgst -sha256 -hmac "a secret of somebody else" | sed 's/.* //')
	say
	say "an event of Telebirr's: $body"
	demo_event_send "signed with TELEBIRR_WEBHOOK_SECRET" "$body" "$signature" 200 &&
		demo_event_send "the same again" "$body" "$signature" 200 &&
		demo_event_send "signed by somebody else" "$body" "$forged" 401 || return 1
	wait_until 10 demo_event_is_processed "$id" || return 1
	processed=$(demo_ask "SELECT COALESCE(
		(SELECT 'demo_paid() has booked ' || sum(amount) || ' in ' || count(*) || ' row'
		   FROM demo_payments WHERE event_id = '$id' HAVING count(*) > 0),
		(SELECT COALESCE(note, 'a handler of yours was asked first') FROM webhook_events WHERE event_id = '$id'))")
	say "the event is stored once: $processed"
}

# demo_event_send WHAT BODY SIGNATURE STATUS
demo_event_send() {
	local reply

	reply=$(site_ask /api/payments/webhook/telebirr -X POST -w '\n%{http_code}' -H 'Content-Type: application/json' \
		-H "X-Webhook-Signature: $3" -d "$2" 2>&1) || true
	say "POST https://127.0.0.1:$PORT_TLS/api/payments/webhook/telebirr, $1"
	say "${reply##*$'\n'} ${reply%$'\n'*}"
	[[ ${reply##*$'\n'} == "$4" ]]
}

demo_event_is_processed() {
	[[ $(demo_ask "SELECT status FROM webhook_events WHERE event_id = '$1'") == processed ]]
}

demo_ask() {
	psql -XAqt -v ON_ERROR_STOP=1 -c "$1" "$(database_url)" 2>>"$VAR/log/demo.log"
}

# demo_count LINES: what the receiver got since it had written so many.
demo_count() {
	local got verified

	got=$(tail -n +$(($1 + 1)) "$VAR/demo/receiver.log" | grep -cv '^listening')
	verified=$(tail -n +$(($1 + 1)) "$VAR/demo/receiver.log" | grep -c '^verified')
	say
	say "the receiver got $got requests, $verified signatures verified ($VAR/demo/receiver.log)"
	((got > 0 && verified == got))
}

demo_commands() {
	local i

	say "or call the workers yourself:"
	say "  . $VAR/cronward.env"
	for i in "${!DEMO_ROUTES[@]}"; do
		say "  curl -X POST 'http://localhost:$PORT_HTTP${DEMO_ROUTES[i]}' \\"
		say "    -H \"Authorization: Bearer \$${DEMO_SECRETS[i]}\""
	done
}
