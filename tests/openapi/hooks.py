"""What schemathesis has to know of the gateway and no OpenAPI document can say."""

import schemathesis

# What may be accepted is no parameter in OpenAPI, so that without this no stream would ever be asked for. OpenAPI 3.1 has none.
WHOLE = ["*/*", "application/json"]
ACCEPTED = {"3.1.0": WHOLE, "3.2.0": [*WHOLE, "application/x-ndjson", "text/event-stream"]}
turn = 0

# The optional calls of the aggregates that are tested, by their paths. The document does not name them.
OPTIONAL = {"/aggregate/mixed": {"spare"}, "/aggregate/lost": {"down"}}

# How many calls they wait for by themselves, where that is a number. The document says it to people alone.
NEEDED = {"/aggregate/mixed": 2}


@schemathesis.hook
def filter_case(context, case):
    """No schema compares one parameter with another: more calls may not be waited for than are made, nor required ones where
    all are optional. Both are a 400."""
    query = case.query or {}
    calls = query.get("calls")
    if calls is None:
        return True
    made = calls.split(",") if isinstance(calls, str) else calls
    if query.get("wait_for") == "required" and OPTIONAL.get(case.path, set()).issuperset(made):
        return False
    return needed(case, query) <= len(made)


def needed(case, query):
    """How many calls the request waits for: what it says, else what the aggregate does by itself."""
    wanted = str(query.get("wait_for", NEEDED.get(case.path, 1)))
    return int(wanted) if wanted.isdigit() else 1


@schemathesis.hook
def before_call(context, case, kwargs):
    """Half of what GETs an aggregate asks for a stream, where the document has streams."""
    global turn
    if case.method == "GET" and case.path.startswith("/aggregate"):
        turn += 1
        accepted = ACCEPTED[case.operation.schema.raw_schema["openapi"]]
        case.headers["Accept"] = accepted[turn % len(accepted)]
