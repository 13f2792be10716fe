"""What is said of every answer: how long it is, what a page may load and do, who may frame it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]

ADMIN = "/admin/"
# Scripts are files of ours, never written into a page: what an operator is shown cannot become one.
PAGES = (
    "default-src 'none'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    # unfold writes its colours, and widths of its columns, into the page.
    "style-src 'self' 'unsafe-inline'",
)
# The admin's Alpine reads its expressions from attributes, which takes eval.
ADMIN_POLICY = "; ".join((*PAGES, "script-src 'self' 'unsafe-eval'"))
PAGE_POLICY = "; ".join((*PAGES, "script-src 'self'"))
# What is no page loads nothing.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
PERMISSIONS = ", ".join(
    f"{name}=()"
    for name in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
)


def security_headers(get_response: GetResponse) -> GetResponse:
    """The outermost of all: what others refuse is an answer too."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not response.streaming:
            response.setdefault("Content-Length", str(len(response.content)))
        response.setdefault("Content-Security-Policy", _policy(request, response))
        response.setdefault("Permissions-Policy", PERMISSIONS)
        response.setdefault("X-Content-Type-Options", "nosniff")
        response.setdefault("X-Frame-Options", "DENY")
        return response

    return middleware


def _policy(request: HttpRequest, response: HttpResponse) -> str:
    if not response.get("Content-Type", "").startswith("text/html"):
        return DATA_POLICY
    return ADMIN_POLICY if request.path.startswith(ADMIN) else PAGE_POLICY
