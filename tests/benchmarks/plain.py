"""The floor of memory: FastAPI with one route and its models, and nothing of ours.

A program: ``python -m tests.benchmarks.plain PORT``.
"""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Question(BaseModel):
    """May I?"""

    phone: str
    medium: str


class Reply(BaseModel):
    """Yes or no."""

    decision: str


@app.post("/v1/checks")
async def check(_: Question) -> Reply:
    """Answer without having looked."""
    return Reply(decision="block")


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Be ready at once."""
    return {"status": "ready"}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False)
