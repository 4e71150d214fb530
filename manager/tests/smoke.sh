#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The program itself, from init to SIGTERM, with curl as its client.
# usage: smoke.sh PROGRAM
set -euo pipefail
manager=$1
command -v curl >/dev/null || exit 77
dir=$(mktemp -d)
pid=
cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
fail() {
	echo "FAILED: $*" >&2
	cat "$dir/log" >&2 2>/dev/null || true
	exit 1
}
expect() { # expected status, curl arguments
	local want=$1 got
	shift
	got=$(curl -sk --max-time 20 -o "$dir/body" -D "$dir/head" -w '%{http_code}' "$@") || true
	[ "$got" = "$want" ] || fail "$* gave $got, not $want: $(cat "$dir/body")"
}

# Two free ports, of those that nobody gets without asking for them.
port=$((20000 + RANDOM % 12000))
while (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null || (exec 3<>/dev/tcp/127.0.0.1/$((port + 1))) 2>/dev/null; do
	port=$((port + 2))
done
url=https://localhost:$port

"$manager" --version | grep -q '^conclave-manager [0-9]' || fail version
for command in init run check-config relay-token validation-link sign-manifest; do
	"$manager" $command --help | grep -q "^Usage: conclave-manager $command" || fail "help of $command"
done
"$manager" init --help | grep -q validation-link || fail "init --help says nothing of a lost password"
"$manager" init --help | grep -q root.key || fail "init --help says nothing of the root key"
"$manager" nonsense 2>/dev/null && fail "an unknown command is accepted"
"$manager" init --organisation X --url http://x --admin-email a@b.c --data "$dir/x" 2>/dev/null && fail "http is accepted"
[ ! -e "$dir/x" ] || fail "a refused init left something"

make() {
	"$manager" init --organisation 'Test & Söhne' --url "$url" --admin-email Root@Example.org --listen "127.0.0.1:$port" \
		--relay-listen "127.0.0.1:$((port + 1))" --data "$dir/data" 2>>"$dir/log"
}
make >"$dir/init" || fail init
link=$(grep -o "^$url/validate#t=[A-Za-z0-9_-]\{43\}&org=[0-9a-f]\{64\}$" "$dir/init") || fail "no link: $(cat "$dir/init")"
make >/dev/null && fail "init over an organisation"
[ -z "$(find "$dir/data" -name '*.key' -perm /077)" ] || fail "keys that others can read"
"$manager" check-config --data "$dir/data" >/dev/null || fail check-config
echo 'lissen = 1' >>"$dir/data/manager.conf"
"$manager" check-config --data "$dir/data" 2>"$dir/why" && fail "an unknown key is accepted"
grep -q 'manager.conf:[0-9]*:.*lissen' "$dir/why" || fail "the message names no line: $(cat "$dir/why")"
sed -i '$d' "$dir/data/manager.conf"
cp "$dir/data/manager.conf" "$dir/manager.conf"
printf '[mail]\nsmtp = smtp://localhost\nstarttls = no\nuser = x\npassword_file = p\n' >>"$dir/data/manager.conf"
"$manager" check-config --data "$dir/data" 2>"$dir/why" && fail "a password in the clear is accepted"
grep -q 'password in the clear' "$dir/why" || fail "the message does not say so: $(cat "$dir/why")"
# What run would stumble over is said before it runs, and names the key; run says the same.
while IFS='|' read -r section line; do
	sed "/^${line%% *} = /d; s|^\[$section\]\$|&\n$line|" "$dir/manager.conf" >"$dir/data/manager.conf"
	for command in check-config run; do
		timeout 10 "$manager" $command --data "$dir/data" >/dev/null 2>"$dir/why" && fail "accepted by $command: [$section] $line"
		[ "$(grep -c . "$dir/why")" = 1 ] || fail "[$section] $line: not one line: $(cat "$dir/why")"
		grep -Eq "${line%% *}|${line#* = }" "$dir/why" || fail "[$section] $line: $(cat "$dir/why")"
	done
done <<END
server|listen = localhost:$port
server|listen = 300.1.1.1:$port
server|listen = 8445
server|certificate = nothing.pem
server|key = tls/spare.key
server|spare_key = tls/server.key
server|web = /nonexistent
mail|from = nobody
mail|from =
mail|smtp = smtp://
mail|outbox = /nonexistent/outbox
log|level = chatty
END
cp "$dir/manager.conf" "$dir/data/manager.conf"
mv "$dir/data/conclave.db" "$dir/db"
echo 'no database' >"$dir/data/conclave.db"
"$manager" check-config --data "$dir/data" 2>"$dir/why" && fail "a damaged database is accepted"
grep -q 'conclave.db is no database' "$dir/why" || fail "the message does not say so: $(cat "$dir/why")"
mv "$dir/db" "$dir/data/conclave.db"
mkdir -m 755 "$dir/full"
touch "$dir/full/something"
"$manager" init --organisation X --url "$url" --admin-email a@b.org --data "$dir/full" >/dev/null 2>&1 || fail "init in a folder with other things"
[ "$(stat -c %a "$dir/full")" = 755 ] || fail "init changed the mode of a folder that others use"
"$manager" init --organisation X --url "$url" --admin-email a@b.org --mail-from b --data "$dir/x" 2>/dev/null && fail "a bad --mail-from is accepted"
chmod g+r "$dir/data/tls/relay-ca.key"
"$manager" check-config --data "$dir/data" >/dev/null 2>&1 && fail "a key that others can read is accepted"
chmod g-r "$dir/data/tls/relay-ca.key"

"$manager" run --data "$dir/data" 2>>"$dir/log" &
pid=$!
for _ in $(seq 600); do
	curl -sk -o /dev/null "$url/" && break
	kill -0 $pid 2>/dev/null || fail "it does not run"
	sleep 0.1
done
grep -q 'eml' "$dir/log" || fail "run says nothing of the outbox"
for _ in $(seq 600); do # a thread of its own writes them
	[ -z "$(find "$dir/data/outbox" -name '*.eml')" ] || break
	sleep 0.1
done
[ -n "$(find "$dir/data/outbox" -name '*.eml')" ] || fail "no message in the outbox"

json='Content-Type: application/json'
expect 200 "$url/api/v1/manifest"
for header in strict-transport-security x-content-type-options content-security-policy referrer-policy date; do
	grep -qi "^$header:" "$dir/head" || fail "no $header"
done
expect 200 "$url/validate"
grep -qi "^content-security-policy:.*frame-ancestors 'none'" "$dir/head" || fail "the page can be framed"
expect 404 "$url/validate/../../etc/passwd" --path-as-is
expect 404 "$url/web/../manager.conf" --path-as-is
token=${link#*#t=}
token=${token%%&*}
expect 200 "$url/api/v1/validation/show" -H "$json" -d "{\"token\":\"$token\"}"
grep -q '"root@example.org"' "$dir/body" || fail "whose link is this: $(cat "$dir/body")"
expect 404 "$url/api/v1/validation/show" -H "$json" -d '{"token":"x"}'
grep -qi '^content-type: application/problem+json' "$dir/head" || fail "no problem document"
expect 405 -X PUT "$url/api/v1/users"
expect 401 "$url/api/v1/users"
grep -qi '^www-authenticate: DPoP' "$dir/head" || fail "no WWW-Authenticate"
expect 404 "$url/relay/v1/keys"
head -c 70000 /dev/zero | tr '\0' ' ' >"$dir/large"
# A client that is still sending must be able to read the refusal: slowly, and far more than will be read.
expect 413 "$url/api/v1/validation/show" -H "$json" --data-binary "@$dir/large"
expect 413 --limit-rate 200k "$url/api/v1/validation/show" -H "$json" --data-binary "@$dir/large"
head -c 9000000 /dev/zero >"$dir/large"
expect 413 "$url/api/v1/validation/show" -H "$json" --data-binary "@$dir/large"
expect 411 "$url/api/v1/validation/show" -H "$json" -H 'Transfer-Encoding: chunked' -d '{}'
expect 401 "https://localhost:$((port + 1))/relay/v1/keys"
expect 404 "https://localhost:$((port + 1))/api/v1/manifest"
# A certificate of somebody else's authority does not even get a connection.
expect 000 "https://localhost:$((port + 1))/relay/v1/keys" --cert "$dir/data/tls/server.pem" --key "$dir/data/tls/server.key"
expect 200 --tls-max 1.2 "$url/api/v1/manifest"
expect 000 --tls-max 1.1 "$url/api/v1/manifest"

# A renewed certificate is taken into use at SIGHUP; one that clients would refuse, or that cannot be read, is not.
subject() {
	openssl s_client -connect "localhost:$port" </dev/null 2>/dev/null | openssl x509 -noout -subject 2>/dev/null || true
}
renew() { # name, key: the certificate in its place, and told
	openssl req -x509 -key "$2" -out "$dir/new.pem" -days 2 -subj "/CN=$1" 2>/dev/null
	mv "$dir/new.pem" "$dir/data/tls/server.pem"
	: >"$dir/said"
	before=$(wc -l <"$dir/log")
	kill -HUP $pid
	for _ in $(seq 600); do
		tail -n "+$((before + 1))" "$dir/log" | grep 'certificate.* reloaded' >"$dir/said" && return
		sleep 0.1
	done
	fail "no word of the certificate"
}
renew renewed "$dir/data/tls/server.key"
grep -q 'NOTICE manager certificate reloaded' "$dir/said" || fail "not reloaded: $(cat "$dir/said")"
subject | grep -q renewed || fail "still the old certificate: $(subject)"
openssl ecparam -name prime256v1 -genkey -noout -out "$dir/other.key" 2>/dev/null
renew other "$dir/other.key"
grep -q 'ERROR .*not reloaded: clients do not know its key' "$dir/said" || fail "an unpinned key: $(cat "$dir/said")"
renew spare "$dir/data/tls/spare.key"
grep -q 'ERROR .*not reloaded: it cannot be read, or is not for the key' "$dir/said" || fail "a pair that is none: $(cat "$dir/said")"
subject | grep -q renewed || fail "the certificate in use was touched: $(subject)"
renew again "$dir/data/tls/server.key"
subject | grep -q again || fail "no more reloading after a failure: $(subject)"

# A link made beside the running server works at once, the older one no more.
"$manager" validation-link root@example.org --data "$dir/data" 2>>"$dir/log" | grep -q "^$url/validate#t=" || fail validation-link
expect 410 "$url/api/v1/validation/show" -H "$json" -d "{\"token\":\"$token\"}"
"$manager" validation-link nobody@example.org --data "$dir/data" 2>/dev/null && fail "a link for nobody"

# The root key kept elsewhere.
mv "$dir/data/keys/root.key" "$dir/root.key"
"$manager" sign-manifest --data "$dir/data" 2>/dev/null && fail "signed without the root key"
cp "$dir/body" "$dir/before"
expect 200 "$url/api/v1/manifest"
cp "$dir/body" "$dir/before"
"$manager" sign-manifest --root-key "$dir/root.key" --data "$dir/data" 2>>"$dir/log" >/dev/null || fail sign-manifest
expect 200 "$url/api/v1/manifest"
cmp -s "$dir/before" "$dir/body" && fail "the manifest is the old one"

kill -TERM $pid
wait $pid || fail "exit code $?"
pid=
grep -q "$token" "$dir/log" && fail "a token in the log"
echo "smoke: done"
