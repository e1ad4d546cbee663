"""The misbehaving provider in a process of its own: it prints its port, and serves until it is ended."""

import asyncio

import uvloop

from gateway.simulated.faults import serve_faults


async def serve() -> None:
    """Listen on loopback, say where, and misbehave until cancelled."""
    async with serve_faults() as provider:
        print(provider.base_url.rpartition(":")[2].removesuffix("/v1"), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
