"""A look at an address of the operator's own, such as PUBLIC_URL: so there is no guard here."""

import asyncio
import ssl
from dataclasses import dataclass

import aiohttp

from core.http import name_of_failure

TOTAL_SECONDS = 5.0
MAX_BYTES = 16 * 1024


@dataclass(frozen=True)
class Seen:
    """What came back; `failure` is a stable name of core.http, empty where anything did."""

    failure: str = ""
    status: int = 0
    location: str = ""
    body: bytes = b""


def look(url: str) -> Seen:
    """GET it once, without following redirects; ends within 5 s whatever the server does."""
    try:
        return asyncio.run(_look(url))
    except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
        return Seen(failure=name_of_failure(error))


async def _look(url: str) -> Seen:
    timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS)
    # A context of its own: aiohttp's was made when it was loaded, whatever SSL_CERT_FILE says now.
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False) as session,
        session.get(url, allow_redirects=False) as answer,
    ):
        body = await answer.content.read(MAX_BYTES)
        location = answer.headers.get("Location", "")
        return Seen(status=answer.status, location=location, body=body)
