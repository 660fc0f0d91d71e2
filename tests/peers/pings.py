"""The classic: three services that block for two seconds before they answer."""

import time

from fastapi import FastAPI

app = FastAPI()


def pong() -> str:
    time.sleep(2)
    return "pong"


for number in (1, 2, 3):
    app.get(f"/ping_{number}")(pong)
