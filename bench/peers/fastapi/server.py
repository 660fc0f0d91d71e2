"""The fan-out written with FastAPI and aiohttp, served by uvicorn on uvloop: `python server.py PORT PLAN`."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

PORT = int(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as plan:
    CALLS = [(call["name"], call["url"]) for call in json.load(plan)]
DEADLINE_S = 30


@asynccontextmanager
async def lifespan(app: FastAPI):
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


async def call(name: str, url: str) -> dict:
    async with app.state.session.get(url) as response:
        return {"name": name, "status": response.status, "body": await response.json()}


@app.get("/aggregate")
async def aggregate() -> JSONResponse:
    results = await asyncio.gather(*(call(name, url) for name, url in CALLS))
    return JSONResponse({"results": results})


@app.get("/readyz")
async def readyz() -> JSONResponse:
    return JSONResponse({"ready": True})


uvicorn.run(
    app,
    host="127.0.0.1",
    port=PORT,
    loop="uvloop",
    http="httptools",
    backlog=4096,
    access_log=False,
    log_level="warning",
    timeout_keep_alive=60,
)
