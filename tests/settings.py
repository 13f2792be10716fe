"""The product's settings, with keys made for the run and nothing kept in the project's folder."""

import os
import tempfile
from urllib.parse import urlsplit

os.environ.setdefault("VAR_DIR", tempfile.mkdtemp(prefix="outdial-test-"))
os.environ.setdefault("LOG_LEVEL", "ERROR")
if os.environ.get("REDIS_URL"):
    # Tests empty their Redis database, so they use one that nothing else does.
    os.environ["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path="/15").geturl()

from config.settings import *  # noqa: F403

if IS_SQLITE:  # noqa: F405
    # A file, as in the product: the in-memory default shares one cache between threads and locks
    # whole tables.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}  # noqa: F405
