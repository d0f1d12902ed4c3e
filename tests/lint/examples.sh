#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every example configuration is valid, and the README shows the first one as it is. Run after `make`.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey rsa:2048 -nodes -days 400 -subj /CN=gw.example.org -addext subjectAltName=DNS:gw.example.org \
	-keyout "$work/key.pem" -out "$work/certificate.pem" 2> "$work/log" || { cat "$work/log"; exit 1; }
for example in docs/examples/*.yaml; do
	# keys and certificates are in files that only a real host has
	sed -E -e 's/\{ *file: *[^}]+\.key *\}/KEY/' -e 's/\{ *file: *[^}]+\}/"an example key that is long enough"/' \
		-e "s#KEY#{file: $work/key.pem}#" -e "s#/etc/xgw/[a-z0-9-]+\.pem#$work/certificate.pem#" "$example" > "$work/config.yaml"
	chmod 600 "$work/config.yaml"
	out=$(build/xgw check -c "$work/config.yaml" 2>&1) || { echo "$example: $out"; bad=1; }
done
awk '/^```yaml$/ { on = 1; next } /^```$/ { if (on) exit } on' README.md | diff - docs/examples/first.yaml > /dev/null ||
	{ echo "README.md: error: its example is not docs/examples/first.yaml"; bad=1; }
exit $bad
