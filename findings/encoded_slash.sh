#!/usr/bin/env bash
# A slash that a client has encoded is data for seven of ten frameworks. Starlette (so FastAPI too), Flask and Django
# take it for a slash, and call the handler of another route.
#
# One would guess: `/items/7%2Fnotes` has two segments, and the second one is `7/notes`. RFC 3986, section 2.2, says so:
# an encoded reserved character is not the delimiter. Who puts a value into a path has to encode it, and is then safe.
#
# What happens: ASGI's `path` and WSGI's `PATH_INFO` are decoded before a framework sees them. Starlette, Flask and
# Django route by them. So with the routes `/items/{id}` and `/items/{id}/notes`, a request for the item `7/notes` gets
# the notes of the item 7, with 200. Any other id with a slash is a 404. aiohttp, Tornado, Express, Fastify, Koa, Hono and
# hapi split the path first, and decode each segment afterwards. All ten decode once: `%2525` is `%25` everywhere.
#
# Why a gateway cares: it makes paths of values from clients and from other services, and encodes them. For three of the
# most used Python frameworks that is not enough: whoever chooses the value also chooses among the routes below it. The
# gateway's own log has one segment. Let the gateway take only values that can't have a slash (a number, a UUID), or send
# the value in the query, where all ten agree.
#
# Versions: Starlette 1.10.0 and Django 5.2.19 on uvicorn 0.54.0, Flask 3.1.3 on gunicorn 27.0.1, aiohttp 3.14.5 and
# Tornado 6.6.1 from PyPI; Express 5.3.0, Fastify 5.12.8, Koa 3.3.0 with its router 15.7.0, Hono 4.13.19 and hapi 21.4.10
# from npm. Needs Python 3.10 or newer with its venv, Node 20 with npm, and curl. Seen on 2026-11-29:
#
#              /items/7%2Fnotes   /items/a%2Fb   /items/50%2525
#   starlette  notes of 7         404            item 50%25
#   flask      notes of 7         404            item 50%25
#   django     notes of 7         404            item 50%25
#   aiohttp    item 7/notes       item a/b       item 50%25
#   tornado    item 7/notes       item a/b       item 50%25
#   express    item 7/notes       item a/b       item 50%25
#   fastify    item 7/notes       item a/b       item 50%25
#   koa        item 7/notes       item a/b       item 50%25
#   hono       item 7/notes       item a/b       item 50%25
#   hapi       item 7/notes       item a/b       item 50%25
set -euo pipefail

work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
cd "$work"

python3 -m venv python
python/bin/python -m pip install --quiet --disable-pip-version-check \
    starlette==1.10.0 django==5.2.19 uvicorn==0.54.0 flask==3.1.3 gunicorn==27.0.1 aiohttp==3.14.5 tornado==6.6.1
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund \
    express@5.3.0 fastify@5.12.8 koa@3.3.0 @koa/router@15.7.0 hono@4.13.19 @hono/node-server@2.1.9 @hapi/hapi@21.4.10

cat >servers.py <<'PYTHON'
import sys
name, port = sys.argv[1], int(sys.argv[2])

if name == "starlette" or name == "django":
    import uvicorn
if name == "starlette":
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def item(request):
        return PlainTextResponse("item " + request.path_params["id"])

    async def notes(request):
        return PlainTextResponse("notes of " + request.path_params["id"])

    app = Starlette(routes=[Route("/items/{id}", item), Route("/items/{id}/notes", notes)])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
elif name == "flask":
    from flask import Flask
    from gunicorn.app.base import BaseApplication

    app = Flask("a")
    app.add_url_rule("/items/<id>", "item", lambda id: "item " + id)
    app.add_url_rule("/items/<id>/notes", "notes", lambda id: "notes of " + id)

    class Server(BaseApplication):
        def load_config(self):
            self.cfg.set("bind", f"127.0.0.1:{port}")
            self.cfg.set("loglevel", "error")

        def load(self):
            return app

    Server().run()
elif name == "django":
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import path

    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
    urlpatterns = [
        path("items/<str:id>", lambda request, id: HttpResponse("item " + id)),
        path("items/<str:id>/notes", lambda request, id: HttpResponse("notes of " + id)),
    ]
    uvicorn.run(get_asgi_application(), host="127.0.0.1", port=port, log_level="error", lifespan="off")
elif name == "aiohttp":
    from aiohttp import web

    async def item(request):
        return web.Response(text="item " + request.match_info["id"])

    async def notes(request):
        return web.Response(text="notes of " + request.match_info["id"])

    app = web.Application()
    app.add_routes([web.get("/items/{id}", item), web.get("/items/{id}/notes", notes)])
    web.run_app(app, host="127.0.0.1", port=port, print=None)
elif name == "tornado":
    import asyncio
    from tornado.web import Application, RequestHandler

    class Item(RequestHandler):
        def get(self, id):
            self.write("item " + id)

    class Notes(RequestHandler):
        def get(self, id):
            self.write("notes of " + id)

    async def main():
        Application([("/items/([^/]+)", Item), ("/items/([^/]+)/notes", Notes)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(main())
PYTHON

cat >servers.mjs <<'JS'
const [name, port] = [process.argv[2], Number(process.argv[3])];
const host = "127.0.0.1";
if (name === "express") {
    const { default: express } = await import("express");
    const app = express();
    app.get("/items/:id", (request, response) => response.send("item " + request.params.id));
    app.get("/items/:id/notes", (request, response) => response.send("notes of " + request.params.id));
    app.listen(port, host);
} else if (name === "fastify") {
    const { default: fastify } = await import("fastify");
    const app = fastify();
    app.get("/items/:id", async (request) => "item " + request.params.id);
    app.get("/items/:id/notes", async (request) => "notes of " + request.params.id);
    await app.listen({ port, host });
} else if (name === "koa") {
    const { default: Koa } = await import("koa");
    const { default: Router } = await import("@koa/router");
    const router = new Router();
    router.get("/items/:id", (context) => { context.body = "item " + context.params.id; });
    router.get("/items/:id/notes", (context) => { context.body = "notes of " + context.params.id; });
    new Koa().use(router.routes()).listen(port, host);
} else if (name === "hono") {
    const { Hono } = await import("hono");
    const { serve } = await import("@hono/node-server");
    const app = new Hono();
    app.get("/items/:id", (context) => context.text("item " + context.req.param("id")));
    app.get("/items/:id/notes", (context) => context.text("notes of " + context.req.param("id")));
    serve({ fetch: app.fetch, port, hostname: host });
} else if (name === "hapi") {
    const { default: Hapi } = await import("@hapi/hapi");
    const server = Hapi.server({ port, host });
    server.route({ method: "GET", path: "/items/{id}", handler: (request) => "item " + request.params.id });
    server.route({ method: "GET", path: "/items/{id}/notes", handler: (request) => "notes of " + request.params.id });
    await server.start();
}
JS

free_port() {
    python/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The body of a 200, or else the status.
ask() {
    local body
    body=$(curl --silent --path-as-is --max-time 10 --write-out '\n%{http_code}' "http://127.0.0.1:$1$2")
    case ${body##*$'\n'} in
        200) echo "${body%$'\n'*}" ;;
        *) echo "${body##*$'\n'}" ;;
    esac
}

for name in starlette flask django aiohttp tornado express fastify koa hono hapi; do
    port=$(free_port)
    case $name in
        starlette | flask | django | aiohttp | tornado) python/bin/python servers.py "$name" "$port" >"$name.log" 2>&1 & ;;
        *) node servers.mjs "$name" "$port" >"$name.log" 2>&1 & ;;
    esac
    pids+=("$!")
    for _ in $(seq 150); do
        [ "$(ask "$port" /items/1 || true)" = "item 1" ] && break
        sleep 0.1
    done
    printf '%-9s  %-17s  %-13s  %s\n' "$name" "$(ask "$port" /items/7%2Fnotes)" "$(ask "$port" /items/a%2Fb)" \
        "$(ask "$port" /items/50%2525)" | tee -a seen
done

cat >expected <<'END'
starlette  notes of 7         404            item 50%25
flask      notes of 7         404            item 50%25
django     notes of 7         404            item 50%25
aiohttp    item 7/notes       item a/b       item 50%25
tornado    item 7/notes       item a/b       item 50%25
express    item 7/notes       item a/b       item 50%25
fastify    item 7/notes       item a/b       item 50%25
koa        item 7/notes       item a/b       item 50%25
hono       item 7/notes       item a/b       item 50%25
hapi       item 7/notes       item a/b       item 50%25
END
diff expected seen
