"""Whether the web process of this container answers; the exit code says it."""

import os
import sys
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

URL = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz"

try:
    build_opener(ProxyHandler({})).open(URL, timeout=4).close()
except (URLError, TimeoutError) as error:
    sys.exit(f"{URL}: {error}")
