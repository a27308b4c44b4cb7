"""aiohttp. Usage: python with_aiohttp.py URL GAP..."""

import contextlib

import aiohttp

from visits import visit_all


@contextlib.asynccontextmanager
async def client():
    connector = aiohttp.TCPConnector(keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(url):
            async with session.post(url, data=b"hello") as response:
                await response.read()
                return response.status

        yield post


visit_all(aiohttp.__version__, client)
