"""The web application, for any WSGI server."""

import os
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django = get_wsgi_application()

from calls.callbacks import MAX_BODY_BYTES  # noqa: E402 - needs the settings
from operations.usage import start_flushing  # noqa: E402 - needs the settings

start_flushing()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower() and not environ.get(
        "CONTENT_LENGTH"
    ):
        _measure(environ)
    return django(environ, start_response)


def _measure(environ: dict[str, Any]) -> None:
    """Give a chunked body its length: Django takes one without for empty.

    One byte over what a carrier may send, which is the most of all, is enough to be refused.
    """
    body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
