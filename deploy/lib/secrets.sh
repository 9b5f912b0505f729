# shellcheck shell=bash
# Secrets are made once and kept: a cron service holds copies of them.  STATE/secrets has them as
# files for the pools, to be rotated there; VAR/cronward.env has copies for a shell.

# Random where nobody says what they are.
SECRETS_RANDOM=(CRON_SECRET CRON_JOB_API_KEY WORKER_SECRET_TOKEN PAYMENT_WEBHOOK_SECRET TELEBIRR_WEBHOOK_SECRET
	CBE_WEBHOOK_SECRET AWASH_WEBHOOK_SECRET META_APP_SECRET WHATSAPP_VERIFY_TOKEN)
# Those, and the secret of each further provider of events; two are good while one is rotated.
SECRETS=()
# What only others can give.
SECRETS_GIVEN=(RESEND_API_KEY GITHUB_CLIENT_SECRET NOTION_CLIENT_SECRET SLACK_CLIENT_SECRET GOOGLE_CLIENT_SECRET)

secrets_make() {
	local name previous

	# Ours, and only to be read by the pools: who writes here must not be able to lead root astray.
	owned "$(id -un)" "$POOL_GROUP" 750 "$STATE/secrets"
	secrets_name
	secrets_read
	for name in "${SECRETS[@]}"; do
		secret_write "$name" "${!name}"
		# One that stands in its file stays until it is emptied, there or by our caller.
		previous=${name}_PREVIOUS
		[[ -z ${!previous+set} && -f $STATE/secrets/$previous ]] ||
			secret_write "$previous" "${!previous:-}"
	done
	for name in "${SECRETS_GIVEN[@]}"; do
		[[ -z ${!name} ]] || secret_write "$name" "${!name}"
	done
	ring_make
	env_write
	# From here on they are in files alone.
	export -n "${SECRETS[@]}" "${SECRETS[@]/%/_PREVIOUS}" "${SECRETS_GIVEN[@]}" ENCRYPTION_KEYS
}

# A provider is whoever has a NAME_WEBHOOK_SECRET, in the environment or as a file that is kept.
secrets_name() {
	local found

	SECRETS=("${SECRETS_RANDOM[@]}")
	while read -r found; do
		found=${found%_PREVIOUS}
		[[ $found =~ ^[A-Z][A-Z0-9_]*_WEBHOOK_SECRET$ && " ${SECRETS[*]} " != *" $found "* ]] || continue
		SECRETS+=("$found")
	done < <(
		compgen -e
		ls "$STATE/secrets"
	)
}

# The key ring of sealed secrets: rotated in its file, so one that is there stays.
ring_make() {
	local file=$STATE/secrets/ENCRYPTION_KEYS

	if [[ -n ${ENCRYPTION_KEYS:-} ]]; then
		secret_write ENCRYPTION_KEYS "$ENCRYPTION_KEYS"
	elif [[ ! -s $file ]]; then
		secret_write ENCRYPTION_KEYS "k1:$(openssl rand -base64 32)"
	fi
}

# One that the environment brings wins over the one that is kept.
secrets_read() {
	local name kept

	for name in "${SECRETS[@]}" "${SECRETS_GIVEN[@]}"; do
		kept=$(cat "$STATE/secrets/$name" 2>/dev/null ||
			sed -n "s/^export $name=//p" "$VAR/cronward.env" 2>/dev/null || true)
		[[ -n $kept || " ${SECRETS_RANDOM[*]} " != *" $name "* ]] || kept=$(openssl rand -hex 32)
		secret_check "$name"
		secret_check "${name}_PREVIOUS"
		printf -v "$name" '%s' "${!name:-$kept}"
	done
}

secret_check() {
	[[ ${!1:-} != *[!a-zA-Z0-9._~+/=-]* ]] || fail "$1: letters, digits and . _ ~ + / = - alone"
}

# secret_write NAME VALUE: replaced as a whole, and only when it differs.
secret_write() {
	local file=$STATE/secrets/$1

	[[ ! -f $file || $(<"$file") != "$2" ]] || return 0
	(umask 077 && printf '%s\n' "$2" >"$file.new")
	((!AS_ROOT)) || chown "root:$POOL_GROUP" "$file.new"
	chmod 440 "$file.new"
	mv -f "$file.new" "$file"
}

env_write() {
	local name

	(
		umask 077
		{
			echo "# Made by deploy/local; source it in a shell."
			echo "export DATABASE_URL='$(database_url)'"
			for name in "${SECRETS[@]}" "${SECRETS_GIVEN[@]}"; do
				[[ -z ${!name} ]] || echo "export $name=${!name}"
			done
			echo "export ENCRYPTION_KEYS_FILE='$STATE/secrets/ENCRYPTION_KEYS'"
		} >"$VAR/cronward.env.new"
	)
	mv -f "$VAR/cronward.env.new" "$VAR/cronward.env"
}
