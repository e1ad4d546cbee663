"""Bounds the bodies of requests that FastAPI reads: it would read one of any size into memory."""

from starlette.exceptions import HTTPException

from gateway.asgi import Message, Receive

LARGEST_BYTES = 4 * 2**20


def bounded(receive: Receive) -> Receive:
    """The same channel; it raises HTTPException (413) as soon as a body is over `LARGEST_BYTES`."""
    size = 0

    async def receive_bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BYTES:
            raise HTTPException(413, f"the body is larger than {LARGEST_BYTES:,} bytes")
        return message

    return receive_bounded
