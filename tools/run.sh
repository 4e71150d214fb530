#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Manager and relay on this machine, for people to use; everything is kept in ./data. Ends with Ctrl-C.
# usage: tools/run.sh BUILD-FOLDER [HOST]
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "$1")
host=${2:-localhost}
data=$PWD/data
manager=$build/manager/conclave-manager
relay=$build/relay/conclave-relay
cli=$build/client/cli/conclave-cli
address=0.0.0.0
[ "$host" != localhost ] || address=127.0.0.1
relay_port=8444
manager_pid='' relay_pid=''

# 443 needs root, CAP_NET_BIND_SERVICE or a lowered net.ipv4.ip_unprivileged_port_start, and nobody else on it.
may_take_443() {
	[ "$(id -u)" = 0 ] || [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -le 443 ] || return 1
	! (exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null
}

make_organisation() {
	local port=8443 url=https://$host
	if may_take_443; then
		port=443
		echo "The manager takes port 443 and the relay 8444: an address has only one port 443."
	else
		echo "Port 443 may not be taken here (it needs root and must be free): using 8443 and 8444."
		url=$url:$port
	fi
	mkdir -p "$data"
	chmod 700 "$data"
	(umask 077 && "$manager" init --organisation "${ORGANISATION:-My organisation}" --url "$url" \
		--admin-email "${ADMIN:-admin@example.org}" --listen "$address:$port" --relay-listen 127.0.0.1:8445 \
		--relay-url https://localhost:8445 --data "$data/manager" >"$data/first-start.txt")
	sed -n '/^Fingerprint/p; /validation link/,/^https/p' "$data/first-start.txt"
}

enrol_relay() {
	local line
	line=$("$manager" relay-token --url "https://$host:$relay_port" --data "$data/manager" | grep 'conclave-relay enrol')
	for _ in $(seq 50); do
		(exec 3<>/dev/tcp/127.0.0.1/8445) 2>/dev/null && break
		kill -0 "$manager_pid" 2>/dev/null || exit 1
		sleep 0.2
	done
	PATH=$build/relay:$PATH sh -c "$line --listen '$address:$relay_port' --data '$data/relay' --config '$data/relay.conf'"
}

stop() {
	trap - INT TERM EXIT
	for pid in $relay_pid $manager_pid; do kill "$pid" 2>/dev/null || true; done
	wait
	exit "$1"
}

[ -f "$data/manager/manager.conf" ] || make_organisation
trap 'stop 0' INT TERM
trap 'stop $?' EXIT
"$manager" run --data "$data/manager" &
manager_pid=$!
[ -f "$data/relay.conf" ] || enrol_relay
"$relay" run --config "$data/relay.conf" &
relay_pid=$!
sleep 1
if ! kill -0 "$manager_pid" 2>/dev/null || ! kill -0 "$relay_pid" 2>/dev/null; then
	echo "Manager or relay did not start; the reason stands above." >&2
	exit 1
fi

cat <<TXT

Conclave runs. What people need:
  the administrator's validation link   stands in data/first-start.txt (works once, for 7 days)
  invitations                           are in data/manager/outbox/*.eml, unless [mail] smtp is set in data/manager/manager.conf
To join from a terminal:
  $cli validate 'LINK' --first-name Ada --last-name Lovelace
  $cli login EMAIL
  $cli meeting create --title Test --invite EMAIL
  $cli join ID --audio device --camera device
Ctrl-C stops both; 'make run' starts them again with the same data.
TXT
wait -n "$manager_pid" "$relay_pid" || true
echo "Manager or relay has ended; the reason stands above." >&2
exit 1
