"""httpx. Usage: python with_httpx.py URL GAP..."""

import contextlib

import httpx

from visits import visit_all

LIMITS = httpx.Limits(keepalive_expiry=60)


@contextlib.asynccontextmanager
async def client():
    # To load certificates for each client takes longer than all requests.
    async with httpx.AsyncClient(limits=LIMITS, verify=False, timeout=20) as opened:

        async def post(url):
            return (await opened.post(url, content=b"hello")).status_code

        yield post


visit_all(httpx.__version__, client)
