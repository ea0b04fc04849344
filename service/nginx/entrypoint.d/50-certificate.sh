#!/bin/sh
# Makes the certificate that nginx.conf names, unless one was mounted there. Self-signed: for a
# machine of one's own and for drills; a deployment mounts its real one into /tmp/tls.
set -eu

directory=/tmp/tls
[ -s "$directory/tls.crt" ] && [ -s "$directory/tls.key" ] && exit 0

mkdir -p "$directory"
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj "/CN=localhost" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
    -keyout "$directory/tls.key" -out "$directory/tls.crt" 2>/tmp/openssl.log || {
    cat /tmp/openssl.log >&2
    exit 1
}
echo "$0: made a self-signed certificate for localhost"
