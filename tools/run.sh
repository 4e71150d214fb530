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

# 443 needs root, CAP_NET_BIND_SERVICE or a lowered net.ipv4.ip_unprivileged_port_start, and nobody else on it.
may_take_443() {
	[ "$(id -u)" = 0 ] || [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -le 443 ] || return 1
	! (exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null
}

first_start() {
	local manager_port=8443 relay_port=8444 address=0.0.0.0
	if [ "$host" = localhost ]; then address=127.0.0.1; fi
	if may_take_443; then
		manager_port=443
		echo "The manager takes port 443, the relay 8444: one machine has one port 443 for each address."
	else
		echo "Port 443 may not be taken here (it needs root and must be free): using 8443 and 8444."
	fi
	local url=https://$host
	[ "$manager_port" = 443 ] || url=$url:$manager_port
	mkdir -p "$data"
	chmod 700 "$data"
	"$manager" init --organisation "${ORGANISATION:-My organisation}" --url "$url" --admin-email "${ADMIN:-admin@$host.localdomain}" \
		--listen "$address:$manager_port" --relay-listen 127.0.0.1:8445 --relay-url https://localhost:8445 \
		--data "$data/manager" | tee "$data/first-start.txt"
	PATH=$build/relay:$PATH sh -c "$("$manager" relay-token --url "https://$host:$relay_port" --data "$data/manager" | grep 'conclave-relay enrol') \
		--listen '$address:$relay_port' --data '$data/relay' --config '$data/relay.conf'" &
	enrol=$!
}

stop() {
	trap - INT TERM EXIT
	for pid in ${relay_pid:-} ${manager_pid:-}; do kill "$pid" 2>/dev/null || true; done
	wait
	exit "${1:-0}"
}

enrol=
[ -f "$data/manager/manager.conf" ] || first_start
trap 'stop 0' INT TERM
trap 'stop $?' EXIT
"$manager" run --data "$data/manager" &
manager_pid=$!
if [ -n "$enrol" ]; then wait "$enrol"; fi
"$relay" run --config "$data/relay.conf" &
relay_pid=$!
sleep 1
kill -0 "$manager_pid" 2>/dev/null && kill -0 "$relay_pid" 2>/dev/null || exit 1

cat <<TXT

Conclave runs. What people need:
  the administrator's validation link      in data/first-start.txt (works once, for 7 days)
  invitations that were mailed             in data/manager/outbox/*.eml, unless [mail] smtp is set in data/manager/manager.conf
To join from a terminal:
  $cli validate 'LINK' --first-name Ada --last-name Lovelace
  $cli login --manager URL EMAIL
  $cli meeting create --title Test --invite EMAIL
  $cli join ID --audio device --camera device
Ctrl-C stops both; 'make run' starts them again with the same data.
TXT
wait -n "$manager_pid" "$relay_pid" || true
exit 1
