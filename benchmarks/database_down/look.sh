#!/bin/sh
# The looks of experiment.json that have to wait: Chaos Toolkit asks a probe once.
# Usage: look.sh LOOK ARGUMENT...; exits 0 once it is seen, 1 after about 30 s.
set -u

running() {
    [ "$(docker inspect --format '{{.State.Status}}' "$@" | sort -u)" = running ]
}
health() {
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = "$2" ]
}
status() {
    curl --silent --output /dev/null --max-time 5 --write-out '%{http_code}' "$1"
}
errors() {
    case $(status "$1") in 5*) ;; *) return 1 ;; esac
}
served() {
    [ "$(status "$1")" = 200 ]
}
mentions() {
    docker logs --since "$2" "$1" 2>&1 | grep --quiet --ignore-case --extended-regexp "$3"
}
unhealthy() {
    health "$1" unhealthy
}
not_unhealthy() {
    ! health "$1" unhealthy
}

look=$1
shift
[ "$look" != running ] || { running "$@"; exit; }
tries=1500
until "$look" "$@"; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || exit 1
    sleep 0.02
done
