"""The same answer for servers of both of Python's interfaces."""

HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "3")]


def wsgi(environ, start_response):
    environ["wsgi.input"].read()
    start_response("200 OK", HEADERS)
    return [b"ok\n"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    while (await receive()).get("more_body"):
        pass
    headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok\n"})
