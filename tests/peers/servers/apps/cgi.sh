#!/bin/sh
# The service as a CGI script, for the paths of Apache and lighttpd that are no plain files. Each path has its own copy.

head() { printf 'Content-Type: %s\r\n\r\n' "$1"; }

case "${0##*/}" in
    nothing) printf 'Status: 204 No Content\r\n\r\n' ;;
    take | moody)
        bytes=$(wc -c)
        # The script dies before it has written a head.
        [ -z "$QUERY_STRING" ] || exit 1
        head application/json
        printf '{"bytes": %d}' "$bytes"
        ;;
    stream)
        head text/plain
        for text in 'one ' 'two ' 'three ' four; do
            printf '%s' "$text"
            sleep 0.03
        done
        ;;
    broken | broken_length)
        [ "${0##*/}" = broken ] || printf 'Content-Length: 18\r\n'
        head text/plain
        printf 'one '
        sleep 0.03
        printf 'two '
        exit 1
        ;;
    broken_json)
        head application/json
        printf '{"user": 1, '
        sleep 0.03
        printf '"name": '
        exit 1
        ;;
esac
