"""libcurl, with its own pool of connections. Usage: python with_curl.py URL GAP..."""

import concurrent.futures
import time

import pycurl

from visits import STEP, base, gaps, report


def post(handle, url):
    handle.setopt(handle.URL, url)
    handle.perform()
    return handle.getinfo(handle.RESPONSE_CODE)


def visit(index, gap):
    time.sleep(STEP * index)
    # A handle keeps its connections from one request to the next.
    handle = pycurl.Curl()
    handle.setopt(handle.NOSIGNAL, 1)
    handle.setopt(handle.TIMEOUT, 20)
    handle.setopt(handle.MAXAGE_CONN, 60)
    # None, whatever the environment says.
    handle.setopt(handle.PROXY, "")
    handle.setopt(handle.POSTFIELDS, "hello")
    handle.setopt(handle.WRITEFUNCTION, lambda _: None)
    first = post(handle, f"{base}/{gap}/1")
    if first != 200:
        raise RuntimeError(f"the first request: {first}")
    time.sleep(int(gap) / 1000)
    try:
        second = post(handle, f"{base}/{gap}/2")
        return gap, "ok" if second == 200 else f"status {second}"
    except pycurl.error as error:
        return gap, f"{error.args[0]}: {error.args[1]}"


with concurrent.futures.ThreadPoolExecutor(len(gaps)) as pool:
    results = list(pool.map(visit, range(len(gaps)), gaps))
report(pycurl.version_info()[1], results)
