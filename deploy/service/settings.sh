# shellcheck shell=bash
# Secrets as files, for pool and cronwardctl: the file FOLDER/NAME is the setting NAME_FILE.  One of who
# sends us events, sends mail for us or is synced may be empty: then he has shared none yet, and neither it nor
# its predecessor is a setting.
# An empty one that callers prove leaves its routes closed, whatever else is set.

# secrets_export FOLDER...: what the environment says of a setting, the empty value included, wins.
secrets_export() {
	local folder file name

	for folder; do
		for file in "$folder"/*; do
			name=${file##*/}
			[[ -f $file && $name =~ ^[A-Z][A-Z0-9_]*$ ]] || continue
			[[ ! -v $name && ! -v ${name}_FILE ]] || continue
			case ${name%_PREVIOUS} in
			*_WEBHOOK_SECRET | *_CLIENT_SECRET | META_APP_SECRET | WHATSAPP_VERIFY_TOKEN | RESEND_API_KEY)
				[[ -s $folder/${name%_PREVIOUS} ]] || continue
				;;
			esac
			export "${name}_FILE=$file"
		done
	done
}
