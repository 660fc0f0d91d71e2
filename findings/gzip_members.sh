#!/usr/bin/env bash
# A gzip body of two members: one client in five silently loses the second half, and curl refuses it.
#
# One would guess: by RFC 1952, 2.2 a gzip file is a series of members, and RFC 9110, 8.4.1.3 makes that the coding
# `gzip`. `gunzip` reads all members, so every HTTP client does.
#
# What happens: httpx returns the first member as the whole body, without an error, although more bytes of the declared
# length followed. libcurl fails with error 23. requests, aiohttp and undici return both members.
#
# Why a gateway cares: servers send members that were compressed one by one. bgzip writes nothing else, and a `.gz` file
# that is appended to becomes one. A gateway that passes such a body on unchanged gives its clients different documents.
# A gateway that inflates it with a decoder for a single member (zlib's inflate, flate2's GzDecoder) drops data itself.
#
# Versions: httpx 0.28.1, requests 2.34.2 (urllib3 2.8.0), aiohttp 3.14.3, pycurl 7.49.0 (libcurl 8.23.0), undici
# 7.30.2. Needs python3 with venv, and node 20.18.1 or newer with npm. Seen on 2026-11-28:
#
#   requests  {"items":[1,2,3],"total":3}
#   aiohttp   {"items":[1,2,3],"total":3}
#   undici    {"items":[1,2,3],"total":3}
#   httpx     {"items":[1,2,3],
#   curl      error 23: Multi-member gzip response not supported
set -euo pipefail

work=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT
cd "$work"

python3 -m venv python
python/bin/python -m pip install --quiet --disable-pip-version-check \
    httpx==0.28.1 requests==2.34.2 urllib3==2.8.0 aiohttp==3.14.3 pycurl==7.49.0
npm install --silent --no-audit --no-fund --no-save undici@7.30.2 >/dev/null

cat >server.py <<'PYTHON'
import gzip
from http.server import BaseHTTPRequestHandler, HTTPServer

BODY = gzip.compress(b'{"items":[1,2,3],') + gzip.compress(b'"total":3}')


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
PYTHON
python/bin/python server.py >port &
server=$!
until [ -s port ]; do
    kill -0 "$server"
    sleep 0.05
done
url="http://127.0.0.1:$(cat port)/"

cat >clients.py <<'PYTHON'
import asyncio
import io
import sys

import aiohttp
import httpx
import pycurl
import requests

url = sys.argv[1]


async def with_aiohttp():
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


def with_curl():
    body, curl = io.BytesIO(), pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.ACCEPT_ENCODING, "gzip")
    curl.setopt(pycurl.WRITEDATA, body)
    try:
        curl.perform()
    except pycurl.error as error:
        return "error %d: %s" % error.args
    return body.getvalue().decode()


print("requests ", requests.get(url, timeout=10).text)
print("aiohttp  ", asyncio.run(with_aiohttp()))
print("httpx    ", httpx.get(url, timeout=10).text)
print("curl     ", with_curl())
PYTHON
cat >client.mjs <<'JAVASCRIPT'
import { fetch } from "undici";
console.log("undici   ", await (await fetch(process.argv[2])).text());
JAVASCRIPT

{
    python/bin/python clients.py "$url"
    node client.mjs "$url"
} | tee seen
cat >expected <<'TEXT'
requests  {"items":[1,2,3],"total":3}
aiohttp   {"items":[1,2,3],"total":3}
httpx     {"items":[1,2,3],
curl      error 23: Multi-member gzip response not supported
undici    {"items":[1,2,3],"total":3}
TEXT
diff expected seen && echo "as it was on 2026-11-28"
