"""The service as a WSGI application without a framework, for gunicorn's threads."""

import time


def pieces(texts, then_fail):
    for text in texts:
        yield text
        time.sleep(0.03)
    if then_fail:
        raise RuntimeError("the handler fails midway")


def app(environ, start_response):
    def answer(status, kind, body):
        headers = [("Content-Length", str(len(body)))]
        start_response(status, headers + ([("Content-Type", kind)] if kind else []))
        return [body]

    def stream(kind, texts, then_fail, more=()):
        start_response("200 OK", [("Content-Type", kind), *more])
        return pieces(texts, then_fail)

    match environ["PATH_INFO"]:
        case "/json":
            return answer("200 OK", "application/json", b'{"user": 1, "name": "Ada"}')
        case "/text":
            return answer("200 OK", "text/plain; charset=utf-8", b"pong")
        case "/nothing":
            start_response("204 No Content", [])
            return []
        case "/take" | "/moody":
            size = len(environ["wsgi.input"].read())
            if environ["QUERY_STRING"]:
                raise RuntimeError("the handler raises before it has answered")
            return answer("200 OK", "application/json", b'{"bytes": %d}' % size)
        case "/stream":
            return stream("text/plain", [b"one ", b"two ", b"three ", b"four"], False)
        case "/broken":
            return stream("text/plain", [b"one ", b"two "], True)
        case "/broken_length":
            return stream("text/plain", [b"one ", b"two "], True, [("Content-Length", "18")])
        case "/broken_json":
            return stream("application/json", [b'{"user": 1, ', b'"name": '], True)
        case _:
            # The body stays unread.
            return answer("404 Not Found", "text/plain", b"not found")
