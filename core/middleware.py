"""What holds for every request: whose it is, over which scheme, how large, under which id."""

import ipaddress
import re
import time
from collections.abc import Callable, Mapping

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, resolve
from django.utils.module_loading import import_string

from core.errors import HttpsRequired, PayloadTooLarge
from core.ids import new_id
from core.observing import tell
from core.responses import error_response, is_api, is_of_program

GetResponse = Callable[[HttpRequest], HttpResponse]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_BODY_BYTES = 64 * 1024
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

# Whether the client itself is on this machine. No client can set it: what clients send arrives
# under HTTP_.
IS_LOCAL = "CLIENT_IS_LOCAL"
# Who sends one of them asks for somebody else.
FORWARDING = ("HTTP_X_FORWARDED_", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")

log = structlog.get_logger(__name__)


def trusted_proxies(get_response: GetResponse) -> GetResponse:
    """The only place that believes forwarded headers, and only those of TRUSTED_PROXIES."""

    def middleware(request: HttpRequest) -> HttpResponse:
        meta = request.META
        peer = _address(meta.get("REMOTE_ADDR", ""))
        meta["REMOTE_ADDR"] = str(peer or "")
        meta[IS_LOCAL] = bool(peer and peer.is_loopback) and not _is_forwarded(meta)
        forwarded_for = meta.pop("HTTP_X_FORWARDED_FOR", "")
        forwarded_proto = meta.pop("HTTP_X_FORWARDED_PROTO", "").strip().lower()
        if _is_proxy(peer):
            meta["REMOTE_ADDR"] = _client_address(forwarded_for) or meta["REMOTE_ADDR"]
            if forwarded_proto in ("http", "https"):
                meta["wsgi.url_scheme"] = forwarded_proto
        return get_response(request)

    return middleware


def _is_forwarded(meta: Mapping[str, object]) -> bool:
    """Whether a proxy says that it asks for somebody, whether or not we believe for whom."""
    return any(name.startswith(FORWARDING) for name in meta)


def _client_address(forwarded_for: str) -> str | None:
    """The last address that is not a proxy of ours: those before it are anybody's claim."""
    for hop in reversed(forwarded_for.split(",")):
        address = _address(hop.strip())
        if not _is_proxy(address):
            return str(address) if address else None
    return None


def _is_proxy(address: Address | None) -> bool:
    return address is not None and any(address in proxy for proxy in settings.TRUSTED_PROXIES)


def _address(text: str) -> Address | None:
    try:
        # An address's zone means something to its own host only, and no column takes it.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # An IPv4 client of a socket that listens on :: comes as ::ffff:a.b.c.d.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def probes(get_response: GetResponse) -> GetResponse:
    """Answer settings.PROBES under any host name and scheme: who asks knows addresses only."""
    views = {path: import_string(name) for path, name in settings.PROBES.items()}

    def middleware(request: HttpRequest) -> HttpResponse:
        view = views.get(request.path)
        return view(request) if view else get_response(request)

    return middleware


def no_nul(get_response: GetResponse) -> GetResponse:
    """Refuse a NUL in a page's query: PostgreSQL knows none. The API names the field instead."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") and not is_api(request):
            return HttpResponseBadRequest("A query must not contain a NUL character")
        return get_response(request)

    return middleware


def request_id(get_response: GetResponse) -> GetResponse:
    """One id per request: in every log line, in the answer, and on the call that it places."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        name = given if REQUEST_ID.fullmatch(given) else new_id().hex
        request.META["REQUEST_ID"] = name
        began = time.perf_counter()
        # What the last request of this thread bound is not this one's.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=name)
        response = get_response(request)
        seconds = time.perf_counter() - began
        if is_api(request):
            _log_answer(request, response, seconds)
        tell(request, response, seconds=seconds)
        response["X-Request-Id"] = name
        return response

    return middleware


def _log_answer(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    log.info(
        "request",
        method=request.method,
        path=request.path,
        status=response.status_code,
        milliseconds=round(seconds * 1000, 1),
        client=request.META.get("REMOTE_ADDR"),
    )


def https_required(get_response: GetResponse) -> GetResponse:
    """Refuse the API over plain http; never redirect, for the key was already sent in clear."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.REQUIRE_HTTPS and is_api(request) and not request.is_secure():
            return error_response(request, HttpsRequired())
        return get_response(request)

    return middleware


def body_limit(get_response: GetResponse) -> GetResponse:
    """Refuse a large body before reading it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if is_api(request) and length.isdigit() and int(length) > MAX_BODY_BYTES:
            return error_response(request, PayloadTooLarge())
        return get_response(request)

    return middleware


def programs(get_response: GetResponse) -> GetResponse:
    """Ask what programs ask for without what only browsers need: sessions, CSRF, messages."""
    # Of the addresses that name nothing: a handful, and asked for again and again.
    known: dict[str, ResolverMatch] = {}

    def middleware(request: HttpRequest) -> HttpResponse:
        if not is_of_program(request):
            return get_response(request)
        request.get_host()  # raises where it is none of ALLOWED_HOSTS
        match = known.get(request.path_info) or resolve(request.path_info)
        if not match.kwargs:
            known[request.path_info] = match
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response.render() if isinstance(response, SimpleTemplateResponse) else response

    return middleware
