"""httpx. Usage: python with_httpx.py URL GAP..."""

import contextlib

import httpx

from visits import visit_all

LIMITS = httpx.Limits(keepalive_expiry=60)


@contextlib.asynccontextmanager
async def client():
    # Each client would load certificates, and those for each proxy that the environment names. That makes the machine late.
    options = {"verify": False, "trust_env": False}
    async with httpx.AsyncClient(limits=LIMITS, timeout=20, **options) as opened:

        async def post(url):
            return (await opened.post(url, content=b"hello")).status_code

        yield post


visit_all(httpx.__version__, client)
