"""Calls of a generated client, with the expected answers. `tests/peers/clients.rs` checks this file with mypy and runs
it."""

import json
from http import HTTPStatus
from typing import assert_type

import httpx
from gather_client import Client
from gather_client.api.aggregates import aggregate, aggregate_both, aggregate_shop
from gather_client.api.gateway import readyz
from gather_client.models import (
    BothCall,
    Comparison,
    DefaultCall,
    Failed,
    FailedComparison,
    FailedRun,
    Failure,
    Mode,
    NotReady,
    Outcome,
    Problem,
    ProblemType,
    ReadyzResponse200,
    RequestedMode,
    RequestedModeOrCompare,
    Run,
    StreamedComparison,
    StreamedFailed,
    StreamedSucceeded,
    Succeeded,
)
from gather_client.types import Response

sent: list[str] = []


def note(request: httpx.Request) -> None:
    sent.append(request.url.query.decode())


client = Client(
    base_url="http://127.0.0.1:8080",
    timeout=httpx.Timeout(30),
    httpx_args={"event_hooks": {"request": [note]}},
)

# The request has only what the program says.
run = aggregate.sync(client=client)
assert_type(run, FailedRun | Problem | Run | None)
assert isinstance(run, Run)
assert sent == [""], sent

# Two calls by name, in the order given, and a forwarded parameter, once and twice.
run = aggregate.sync(
    client=client,
    calls=[DefaultCall.ORDERS, DefaultCall.USERS],
    mode=RequestedMode.CONCURRENT,
    wait_for=2,
    q="ada",
)
assert isinstance(run, Run), run
assert (run.outcome, run.mode) == (Outcome.COMPLETE, Mode.CONCURRENT)
found = [(result.name, result.body) for result in run.results if isinstance(result, Succeeded)]
assert found == [("orders", "none yet"), ("users", {"id": 1, "asked": "q=ada"})], found
run = aggregate.sync(client=client, calls=[DefaultCall.USERS], q=["ada", "bob"])
assert isinstance(run, Run), run
[result] = run.results
assert_type(result, Failed | Succeeded)
assert isinstance(result, Succeeded) and result.body["asked"] == "q=ada&q=bob", result

# A mistake of the caller's: a problem without results.
wrong = aggregate.sync_detailed(client=client, timeout="soon")
assert_type(wrong, Response[FailedRun | Problem | Run])
assert wrong.status_code == HTTPStatus.BAD_REQUEST
assert isinstance(wrong.parsed, Problem), wrong
assert wrong.parsed.type_ == ProblemType.URNGATHERPROBLEMINVALID_PARAMETER
assert wrong.parsed.parameter == "timeout"

# A run that failed: a problem with its results.
lost = aggregate_shop.sync_detailed(client=client, mode=RequestedModeOrCompare.SEQUENTIAL)
assert lost.status_code == HTTPStatus.BAD_GATEWAY
assert isinstance(lost.parsed, FailedRun), lost
assert (lost.parsed.type_, lost.parsed.outcome) == (ProblemType.URNGATHERPROBLEMUPSTREAM_FAILED, Outcome.FAILED)
failures = [result.failure for result in lost.parsed.results if isinstance(result, Failed)]
assert failures == [Failure.STATUS], failures
assert [result.status for result in lost.parsed.results] == [200, 503]
lost = aggregate_shop.sync_detailed(client=client, mode=RequestedModeOrCompare.COMPARE)
assert isinstance(lost.parsed, FailedComparison), lost
assert lost.parsed.sequential.outcome == Outcome.FAILED

# A comparison, and a run of the same aggregate.
both = aggregate_both.sync(client=client, mode=RequestedModeOrCompare.COMPARE)
assert isinstance(both, Comparison), both
assert isinstance(both.speedup, float)
assert [result.name for result in both.sequential.results] == ["users", "odd"]
once = aggregate_both.sync(client=client, calls=[BothCall.ODD])
assert isinstance(once, Run) and len(once.results) == 1, once

# A comparison as a stream.
with client.get_httpx_client().stream(
    "GET",
    "/aggregate/both",
    params={"mode": RequestedModeOrCompare.COMPARE.value},
    headers={"Accept": "application/x-ndjson"},
) as answer:
    messages = [json.loads(line) for line in answer.read().splitlines()]
outcome = StreamedComparison.from_dict(messages.pop())
assert outcome.outcome == Outcome.COMPLETE
assert outcome.sequential.mode == Mode.SEQUENTIAL
assert all(message["ok"] for message in messages)
results = [StreamedSucceeded.from_dict(message) for message in messages]
assert [(result.mode, result.index) for result in results[:2]] == [(Mode.SEQUENTIAL, 0), (Mode.SEQUENTIAL, 1)]
assert sorted((str(result.mode), result.index) for result in results[2:]) == [("concurrent", 0), ("concurrent", 1)]
assert [result.body for result in results if result.name == "odd"] == ["a\u2028b"] * 2
# A stream of a run that fails.
with client.get_httpx_client().stream(
    "GET", "/aggregate/shop", params={"mode": "sequential"}, headers={"Accept": "application/x-ndjson"}
) as answer:
    messages = [json.loads(line) for line in answer.read().splitlines()]
failed = StreamedFailed.from_dict(messages[1])
assert (failed.index, failed.failure) == (1, Failure.STATUS)

# The gateway's own state.
ready = readyz.sync(client=client)
assert_type(ready, NotReady | Problem | ReadyzResponse200 | None)
assert isinstance(ready, ReadyzResponse200) and ready.ready is True

print("all as the types say")
