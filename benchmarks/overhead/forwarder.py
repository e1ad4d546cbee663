"""The forwarder: what the simplest Python gateway costs. A raw ASGI application on uvicorn that relays with aiohttp.

It parses, chooses and records nothing: the body goes to the provider and the answer's bytes come back.
`python -m benchmarks.overhead.forwarder --provider URL` prints its port, and serves until it is terminated.
"""

import argparse
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import uvicorn
import uvloop

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Forwarder:
    """The ASGI application. `provider_url` is the base to which `/chat/completions` is added."""

    def __init__(self, provider_url: str) -> None:
        self._url = f"{provider_url}/chat/completions"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Relay one request, or open and close the session."""
        if scope["type"] == "http":
            await self._relay(receive, send)
        else:
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=120),
            auto_decompress=False,
        ) as session:
            self._session = session
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _relay(self, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        async with self._session.post(
            self._url, data=body, headers={"content-type": "application/json"}, allow_redirects=False
        ) as answer:
            kind = answer.headers["content-type"].encode()
            if kind.startswith(b"text/event-stream"):
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": [(b"content-type", kind)]}
                )
                async for part in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            else:
                whole = await answer.read()
                headers = [(b"content-type", kind), (b"content-length", b"%d" % len(whole))]
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                await send({"type": "http.response.body", "body": whole})


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead.forwarder", description=__doc__)
    parser.add_argument("--provider", required=True, help="base URL of the provider, with /v1")
    forward = Forwarder(parser.parse_args().provider)
    server = uvicorn.Server(uvicorn.Config(forward, http="httptools", access_log=False, log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        uvloop.run(server.serve([listener]))


if __name__ == "__main__":
    main()
