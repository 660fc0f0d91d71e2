"""Facts about the gateway that schemathesis needs and no OpenAPI document can state."""

import schemathesis

# The field `Accept` is no parameter in OpenAPI, so without this no stream would ever be asked for. A document of
# OpenAPI 3.1 has no streams.
WHOLE = ["*/*", "application/json"]
ACCEPTED = {"3.1.0": WHOLE, "3.2.0": [*WHOLE, "application/x-ndjson", "text/event-stream"]}
turn = 0

# The optional calls of the aggregates that are tested, by their paths. The document does not name them.
OPTIONAL = {"/aggregate/mixed": {"spare"}, "/aggregate/lost": {"down"}}

# The number of calls that an aggregate waits for by default, if it is a number. The document says it only in words.
NEEDED = {"/aggregate/mixed": 2}


@schemathesis.hook
def filter_case(context, case):
    """Returns false if a request waits for more calls than it makes, or for required ones if all are optional. Both are
    a 400. No schema compares one parameter with another."""
    query = case.query or {}
    calls = query.get("calls")
    if calls is None:
        return True
    made = calls.split(",") if isinstance(calls, str) else calls
    if query.get("wait_for") == "required" and OPTIONAL.get(case.path, set()).issuperset(made):
        return False
    return needed(case, query) <= len(made)


def needed(case, query):
    """Returns the number of calls that the request waits for: its own choice, or else the aggregate's default."""
    wanted = str(query.get("wait_for", NEEDED.get(case.path, 1)))
    return int(wanted) if wanted.isdigit() else 1


@schemathesis.hook
def before_call(context, case, kwargs):
    """Lets half of the GETs of aggregates ask for a stream, if the document has streams."""
    global turn
    if case.method == "GET" and case.path.startswith("/aggregate"):
        turn += 1
        accepted = ACCEPTED[case.operation.schema.raw_schema["openapi"]]
        case.headers["Accept"] = accepted[turn % len(accepted)]
