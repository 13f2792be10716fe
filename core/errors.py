"""Domain errors, and how each of the two surfaces says them."""

from typing import Any, ClassVar


class DomainError(Exception):
    """Something a client did that we refuse, or that we could not do.

    `code` is stable and part of the contract; `zapier` is the guide's sentence where it has one.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid_request"
    message: str = "The request is invalid"
    zapier: str | None = None

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        super().__init__(message or self.message)
        self.message = message or self.message
        self.extra = extra
        self.headers: dict[str, str] = {}


def native_body(error: DomainError) -> dict[str, Any]:
    """`{"error": {"code", "message", ...}}`, as the API best practices print it."""
    return {"error": {"code": error.code, "message": error.message, **error.extra}}


def zapier_body(error: DomainError) -> dict[str, Any]:
    """`{"error": "..."}`, as the Zapier guide prints it; one error of the guide says `detail`."""
    if isinstance(error, InvalidApiKey):
        return {"detail": error.zapier}
    return {"error": error.zapier or error.message}


class InvalidRequest(DomainError):
    pass


class BodyNotArrived(DomainError):
    message = "The request body did not arrive whole"


class InvalidNumber(DomainError):
    code = "invalid_number"
    message = "The provided phone number is invalid"


class InvalidUrl(DomainError):
    code = "invalid_url"
    message = "The webhook URL is not allowed"
    zapier = "invalid callback_url"


class MissingApiKey(DomainError):
    status = 401
    code = "missing_api_key"
    message = "Missing API key"
    zapier = "Missing API key"


class InvalidApiKey(DomainError):
    status = 401
    code = "invalid_api_key"
    message = "Invalid API key"
    zapier = "Invalid API key"


class InsufficientCredits(DomainError):
    status = 402
    code = "insufficient_credits"
    message = "Your account has insufficient credits"
    zapier = "insufficient credits"


class HttpsRequired(DomainError):
    status = 403
    code = "https_required"
    message = "Use https: a key sent over plain http can be read by anyone on the way"
    zapier = "https_required"


class NotFound(DomainError):
    status = 404
    code = "not_found"
    message = "There is nothing here"
    zapier = "not found"


class MethodNotAllowed(DomainError):
    status = 405
    code = "method_not_allowed"
    message = "This method is not allowed here"


class Conflict(DomainError):
    status = 409
    code = "conflict"


class LengthRequired(DomainError):
    status = 411
    code = "length_required"
    message = "Send a Content-Length with the body, or JSON"


class PayloadTooLarge(DomainError):
    status = 413
    code = "payload_too_large"
    message = "The request body is larger than 64 KiB"


class UnsupportedMediaType(DomainError):
    status = 415
    code = "unsupported_media_type"
    message = "Send the body as application/json"


class RateLimitExceeded(DomainError):
    """`reset_seconds` is what N, `reset_at`, `Retry-After` and `RateLimit-Reset` all say."""

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, *, reset_seconds: int, reset_at: str) -> None:
        super().__init__(
            f"Too many requests. Please try again in {reset_seconds} seconds.", reset_at=reset_at
        )
        self.headers = {"Retry-After": str(reset_seconds)}


class InternalError(DomainError):
    status = 500
    code = "internal_error"
    message = "Something went wrong on our side. The request id helps us find out what"
