"""What ASGI applications of tests do alike."""

from gateway.asgi import Receive


async def read_body(receive: Receive) -> bytes:
    """Read the whole body of a request."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)
