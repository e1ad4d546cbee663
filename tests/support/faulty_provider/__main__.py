"""`python -m tests.support.faulty_provider`: prints the port it listens on, and serves until it is terminated."""

import asyncio

import uvloop

from tests.support.faulty_provider.server import serve_faults


async def serve() -> None:
    """Serve until cancelled."""
    async with serve_faults() as provider:
        print(provider.base_url.rpartition(":")[2].removesuffix("/v1"), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
