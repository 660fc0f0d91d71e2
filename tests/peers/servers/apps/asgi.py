"""The service as a FastAPI application, for uvicorn and for gunicorn's UvicornWorker."""

import asyncio

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

app = FastAPI()


@app.get("/json")
def json():
    return {"user": 1, "name": "Ada"}


@app.get("/text")
def text():
    return PlainTextResponse("pong")


@app.get("/nothing")
def nothing():
    return Response(status_code=204)


@app.post("/take")
async def take(request: Request):
    return {"bytes": len(await request.body())}


@app.post("/moody")
async def moody(request: Request, fail: str | None = None):
    size = len(await request.body())
    if fail:
        raise RuntimeError("the handler raises before it has answered")
    return {"bytes": size}


async def pieces(texts, then_fail):
    for text in texts:
        yield text
        await asyncio.sleep(0.03)
    if then_fail:
        raise RuntimeError("the handler fails midway")


@app.get("/stream")
def stream():
    return StreamingResponse(pieces(["one ", "two ", "three ", "four"], False), media_type="text/plain")


@app.get("/broken")
def broken():
    return StreamingResponse(pieces(["one ", "two "], True), media_type="text/plain")


@app.get("/broken_length")
def broken_length():
    headers = {"Content-Length": "18"}
    return StreamingResponse(pieces(["one ", "two "], True), media_type="text/plain", headers=headers)


@app.get("/broken_json")
def broken_json():
    return StreamingResponse(pieces(['{"user": 1, ', '"name": '], True), media_type="application/json")
