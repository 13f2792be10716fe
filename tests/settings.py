"""The product's settings, with keys made for the run and nothing kept in the project's folder."""

import os
import tempfile

from tests.workers import own_redis

os.environ.setdefault("VAR_DIR", tempfile.mkdtemp(prefix="outdial-test-"))
os.environ.setdefault("LOG_LEVEL", "ERROR")
if os.environ.get("REDIS_URL"):
    os.environ["REDIS_URL"] = own_redis(os.environ["REDIS_URL"], first=15)

from config.settings import *  # noqa: F403

if IS_SQLITE:  # noqa: F405
    # A file, as in the product: the in-memory default shares one cache between threads and locks
    # whole tables.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}  # noqa: F405
