"""What the clients in Python share: the visits, and the line that reports them."""

import asyncio
import json
import sys

base, *gaps = sys.argv[1:]

# The starts are spread, so that the machine is not late at the gaps' ends.
STEP = 0.04


def report(version, results):
    print(json.dumps({"version": version, "gaps": dict(results)}))


def visit_all(version, open_client):
    """Visits with asynchronous clients, each gap with one of its own.

    `open_client` returns an asynchronous context manager of a function that posts to a URL and returns the status.
    """

    async def visit(index, gap):
        await asyncio.sleep(STEP * index)
        async with open_client() as post:
            first = await post(f"{base}/{gap}/1")
            if first != 200:
                raise RuntimeError(f"the first request: {first}")
            await asyncio.sleep(int(gap) / 1000)
            try:
                second = await post(f"{base}/{gap}/2")
                return gap, "ok" if second == 200 else f"status {second}"
            except Exception as error:
                return gap, f"{type(error).__name__}: {error}"

    async def visits():
        return await asyncio.gather(*(visit(*each) for each in enumerate(gaps)))

    report(version, asyncio.run(visits()))
