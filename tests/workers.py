"""What each worker of a parallel run has to itself; a run without workers is like the first."""

import os
from urllib.parse import urlsplit

WORKERS = 4


def own_redis(url: str, *, first: int) -> str:
    """The Redis database of this worker, out of those from `first` downwards.

    Tests empty it, so it has to be one that nothing else uses: 15 to 12 are those of the tests
    themselves, 11 to 8 those of the installs that tests/e2e boots, and 7 is that of `make bench`.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    assert worker < WORKERS, f"There are Redis databases for {WORKERS} workers"
    return urlsplit(url)._replace(path=f"/{first - worker}").geturl()
