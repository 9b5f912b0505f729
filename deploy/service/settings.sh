# shellcheck shell=bash
# Secrets as files, for pool and cronwardctl: the file FOLDER/NAME is the setting NAME_FILE.

# secrets_export FOLDER...: what the environment says of a setting, the empty value included, wins.
secrets_export() {
	local folder file name

	for folder; do
		for file in "$folder"/*; do
			name=${file##*/}
			[[ -f $file && $name =~ ^[A-Z][A-Z0-9_]*$ ]] || continue
			[[ ! -v $name && ! -v ${name}_FILE ]] || continue
			export "${name}_FILE=$file"
		done
	done
}
