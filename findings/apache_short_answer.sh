#!/usr/bin/env bash
# A script declares an answer of 18 bytes and dies after 8: Apache makes a whole answer of it.
#
# One would guess: a `Content-Length` protects an answer. Fewer bytes than declared are a cut answer (RFC 9112, section
# 8), however the program ends that makes it, and every client fails. Behind lighttpd, and behind Apache's own HTTP
# proxy, this is so.
#
# What happens: Apache drops the length that a CGI or FastCGI program declares. It frames the bytes that came, by a last
# chunk or by a `Content-Length` of 8. curl does not complain. The variable `ap_trust_cgilike_cl` keeps the declared
# length, but only if a part was sent before the script died. Of 60 scripts that died at once, 15 were still given the
# shorter length.
#
# Why a gateway cares: PHP-FPM behind Apache is such a program. A fatal error midway makes an answer of status 200 that
# looks like a whole one, although the application declared its length. Only the body itself can tell: JSON with a
# missing part doesn't parse.
#
# Versions: Apache 2.4.71 and lighttpd 1.4.69, from Debian 12's packages, which are unpacked and not installed.
# Needs Debian 12 with curl and python3. Seen on 2026-11-28:
#
#   Apache, CGI                      a whole answer of 8 bytes
#   Apache, FastCGI                  a whole answer of 8 bytes
#   Apache, ap_trust_cgilike_cl      a cut answer
#   Apache, HTTP                     a cut answer
#   lighttpd, CGI                    a cut answer
set -euo pipefail

work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
# Apache gives up root, and must be able to read the files then.
chmod 755 "$work"
cd "$work"

# apt, with lists and a cache of its own.
mkdir -p apt/lists/partial apt/archives/partial packages root
apt=(apt-get -qq -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt" -o APT::Sandbox::User=)
"${apt[@]}" update
(cd packages && "${apt[@]}" download apache2-bin=2.4.71-1~deb12u1 lighttpd=1.4.69-1 libapr1 libaprutil1)
for package in packages/*.deb; do dpkg -x "$package" system; done
LD_LIBRARY_PATH=$(dirname "$(find "$work/system" -name 'libapr-1.so.0')")
export LD_LIBRARY_PATH
modules=$work/system/usr/lib/apache2/modules

cat >root/short <<'CGI'
#!/bin/sh
printf 'Content-Type: text/plain\r\nContent-Length: 18\r\n\r\none two '
# This is long enough for Apache to have sent that part.
sleep 0.5
exit 1
CGI
chmod 755 root/short

# The same as a FastCGI program and as an HTTP server; prints the ports of both.
cat >programs.py <<'PYTHON'
import socket
import struct
import threading

HEAD = b"Content-Type: text/plain\r\nContent-Length: 18\r\n\r\n"
PART = b"one two "


def record(kind, content):
    return struct.pack("!BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def fastcgi(connection):
    # Begin, parameters and input, whose ends are records without content.
    stream, ends = connection.makefile("rb"), set()
    while ends != {4, 5}:
        _, kind, _, length, padding, _ = struct.unpack("!BBHHBB", stream.read(8))
        stream.read(length + padding)
        if length == 0:
            ends.add(kind)
    # Standard output, its end, and the request's end with an exit status of 255, as PHP-FPM has after a fatal error.
    connection.sendall(record(6, HEAD + PART) + record(6, b"") + record(3, struct.pack("!IB3x", 255, 0)))
    connection.close()


def http(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + HEAD + PART)
    connection.close()


def serve(listener, answer):
    while True:
        answer(listener.accept()[0])


for answer in (fastcgi, http):
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=serve, args=(listener, answer)).start()
PYTHON
: >ports
python3 programs.py >ports &
pids+=($!)
until [ "$(wc -l <ports)" -eq 2 ]; do sleep 0.05; done
{ read -r fastcgi && read -r http; } <ports

free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
apache=$(free_port)
cat >apache.conf <<CONF
ServerName localhost
Listen 127.0.0.1:$apache
ServerRoot $work
DefaultRuntimeDir $work
PidFile $work/pid
ErrorLog $work/error.log
DocumentRoot $work/root
User www-data
Group www-data
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule env_module $modules/mod_env.so
LoadModule alias_module $modules/mod_alias.so
LoadModule cgid_module $modules/mod_cgid.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_fcgi_module $modules/mod_proxy_fcgi.so
LoadModule proxy_http_module $modules/mod_proxy_http.so
KeepAliveTimeout 1
ScriptAlias /cgi $work/root/short
ScriptAlias /trusted $work/root/short
<Location /trusted>
    SetEnv ap_trust_cgilike_cl 1
</Location>
ProxyPass /fastcgi fcgi://127.0.0.1:$fastcgi/
ProxyPass /http http://127.0.0.1:$http/
CONF
"$work/system/usr/sbin/apache2" -D FOREGROUND -f "$work/apache.conf" &
pids+=($!)

lighttpd=$(free_port)
cat >lighttpd.conf <<CONF
server.modules = ("mod_cgi")
server.bind = "127.0.0.1"
server.port = $lighttpd
server.document-root = "$work/root"
server.max-keep-alive-idle = 1
cgi.assign = ("" => "")
CONF
"$work/system/usr/sbin/lighttpd" -m "$work/system/usr/lib/lighttpd" -D -f "$work/lighttpd.conf" 2>lighttpd.log &
pids+=($!)

ask() {
    local name=$1 url=$2 status=0
    curl --silent --retry 20 --retry-connrefused --retry-delay 1 --output body "$url" || status=$?
    case $status in
        0) echo "$name a whole answer of $(wc -c <body) bytes" ;;
        18) echo "$name a cut answer" ;;
        *) echo "$name curl's error $status" ;;
    esac
}
{
    ask "Apache, CGI                     " "http://127.0.0.1:$apache/cgi"
    ask "Apache, FastCGI                 " "http://127.0.0.1:$apache/fastcgi/"
    ask "Apache, ap_trust_cgilike_cl     " "http://127.0.0.1:$apache/trusted"
    ask "Apache, HTTP                    " "http://127.0.0.1:$apache/http/"
    ask "lighttpd, CGI                   " "http://127.0.0.1:$lighttpd/short"
} | tee seen
cat >expected <<'TEXT'
Apache, CGI                      a whole answer of 8 bytes
Apache, FastCGI                  a whole answer of 8 bytes
Apache, ap_trust_cgilike_cl      a cut answer
Apache, HTTP                     a cut answer
lighttpd, CGI                    a cut answer
TEXT
diff expected seen && echo "as it was on 2026-11-28"
