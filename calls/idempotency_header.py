"""`Idempotency-Key`: how a client says that two requests are one, and what it hears of it."""

import re

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from core.errors import InvalidRequest

IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")

# What an accepted order is answered with beside its body.
CREATED_HEADERS = (
    OpenApiParameter(
        "Location", location=OpenApiParameter.HEADER, response=[201], description="Where it is."
    ),
    OpenApiParameter(
        "Idempotent-Replayed",
        location=OpenApiParameter.HEADER,
        response=[201],
        description="`true` where it is the answer to an earlier request.",
    ),
)


def idempotency_header(consequence: str) -> OpenApiParameter:
    return OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "pattern": "^[\\x20-\\x7e]{1,255}$"},
        location=OpenApiParameter.HEADER,
        description="1-255 printable characters. A repeat within 24 h is answered as the first "
        f"was, and {consequence}.",
    )


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header. Raises InvalidRequest for one that cannot be kept."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        reason = "must be 1 to 255 printable ASCII characters"
        raise InvalidRequest(f"Idempotency-Key: {reason}", fields={"Idempotency-Key": reason})
    return key
