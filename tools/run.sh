#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Manager and relay on this machine, for people to use; everything is kept in ./data. Ends with Ctrl-C.
# usage: tools/run.sh BUILD-FOLDER [HOST] [DATA-FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "$1")
host=${2:-localhost}
data=$(realpath -m "${3:-data}")
manager=$build/manager/conclave-manager
relay=$build/relay/conclave-relay
cli=$build/client/cli/conclave-cli
conf=$data/manager/manager.conf
address=0.0.0.0
[ "$host" != localhost ] || address=127.0.0.1
relay_port=8444
manager_pid='' relay_pid=''

die() {
	echo "make run: $*" >&2
	exit 1
}

# value FILE SECTION KEY
value() {
	awk -v section="[$2]" -v key="$3" '/^\[/ { here = $0 == section } here && $1 == key && $2 == "=" { print $3; exit }' "$1"
}

# Below a certain port it takes root, CAP_NET_BIND_SERVICE or a lowered net.ipv4.ip_unprivileged_port_start.
may_bind() {
	[ "$(id -u)" = 0 ] || [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -le "$1" ]
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The ports that the relay takes, and where it reports.
check_ports() {
	local port
	for port in "$relay_port" 8445; do
		! answers "$port" || die "something listens on port $port already (an earlier 'make run' that is still there?): end it first."
	done
}

make_organisation() {
	local port=8443 url=https://$host
	if may_bind 443 && ! answers 443; then
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
}

# What an earlier start has made can be gone on with by this user, on those ports.
check_earlier() {
	local file again="or remove $data to begin anew"
	for file in "$data" "$data/manager" "$conf" "$data/manager/keys" "$data/relay.conf"; do
		[ ! -e "$file" ] || { [ -r "$file" ] && [ -w "$file" ]; } ||
			die "$file belongs to $(stat -c %U "$file"): run 'make run' as $(stat -c %U "$file") again, $again."
	done
	[ -f "$conf" ] || return 0
	local port
	port=$(value "$conf" server listen)
	port=${port##*:}
	may_bind "${port:-443}" ||
		die "an earlier start, as root, set this organisation up on port $port, which $(id -un) may not take: run 'make run' as root again, $again on 8443."
	! answers "${port:-443}" || die "something listens on port $port already (an earlier 'make run' that is still there?): end it first."
}

enrol_relay() {
	local line
	line=$("$manager" relay-token --url "https://$host:$relay_port" --data "$data/manager" | grep 'conclave-relay enrol')
	for _ in $(seq 50); do
		answers 8445 && break
		kill -0 "$manager_pid" 2>/dev/null || exit 1
		sleep 0.2
	done
	PATH=$build/relay:$PATH sh -c "$line --listen '$address:$relay_port' --data '$data/relay' --config '$data/relay.conf'"
}

# The link while it can still be used; what to do when it cannot and nobody has.
say_link() {
	local link token port status
	link=$(grep -o 'https://[^ ]*/validate#t=[^ ]*' "$data/first-start.txt" 2>/dev/null) || return 0
	token=${link#*#t=}
	port=$(value "$conf" server listen)
	# This machine itself, asked whether the link still works: the token goes by standard input.
	status=$(printf '{"token":"%s"}' "${token%%&*}" | curl -sk -o /dev/null -w '%{http_code}' --noproxy '*' --max-time 5 \
		--connect-to "::127.0.0.1:${port##*:}" -H 'Content-Type: application/json' --data @- \
		"${link%%/validate*}/api/v1/validation/show") || true
	case $status in
	404 | 410) # used, over, or replaced by a newer one
		cat <<TXT
  the administrator                     the link of the first start cannot be used any more; another one, also for a lost password:
                                        $manager validation-link EMAIL --data $data/manager
TXT
		;;
	*)
		cat <<TXT
  the administrator's validation link   (works once, for 7 days; also in $data/first-start.txt)
    $link
TXT
		;;
	esac
}

stop() {
	trap - INT TERM EXIT
	for pid in $relay_pid $manager_pid; do kill "$pid" 2>/dev/null || true; done
	wait
	exit "$1"
}

check_earlier
check_ports
[ -f "$conf" ] || make_organisation
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

Conclave runs. The manager is $(value "$conf" server url) and listens on $(value "$conf" server listen);
the relay is $(value "$data/relay.conf" relay url) and listens on $(value "$data/relay.conf" relay listen). What people need:
TXT
say_link
cat <<TXT
  invitations                           are in $data/manager/outbox/*.eml, unless [mail] smtp is set in $conf
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
