"""Spans as OpenTelemetry has them, sent to a collector over OTLP/HTTP.

Needs the packages of the extra `tracing`, so it is imported only where traces are on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from uuid import UUID

import structlog
from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from core.version import VERSION

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Step:
    """A span to be: `name` and what it is about give it its id, `of` the trace that it belongs to.

    The parent is given by the same two.
    """

    name: str
    of: UUID
    about: UUID | int
    began: datetime
    ended: datetime
    parent: tuple[str, UUID] | None = None
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    is_outward: bool = False
    has_failed: bool = False


def send(steps: Sequence[Step]) -> None:
    """Never raises: a collector that is away misses them."""
    if not steps:
        return
    try:
        is_taken = _exporter().export([_span(step) for step in steps]) is SpanExportResult.SUCCESS
    except Exception as error:
        log.warning("traces_not_sent", steps=len(steps), error=type(error).__name__)
        return
    if not is_taken:
        log.warning("traces_not_sent", steps=len(steps))


def _span(step: Step) -> ReadableSpan:
    return ReadableSpan(
        name=step.name,
        context=_context(step.of, step.name, step.about),
        parent=_context(step.of, *step.parent) if step.parent else None,
        resource=_resource(),
        attributes=step.attributes,
        kind=SpanKind.CLIENT if step.is_outward else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR if step.has_failed else StatusCode.UNSET),
        start_time=_nanoseconds(step.began),
        # A carrier's clock may put the end before the beginning.
        end_time=_nanoseconds(max(step.began, step.ended)),
    )


def _context(trace: UUID, name: str, about: UUID | int) -> SpanContext:
    digest = sha256(f"{name} {about}".encode()).digest()
    return SpanContext(
        trace_id=trace.int,
        span_id=int.from_bytes(digest[:8], "big"),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000


@cache
def _resource() -> Resource:
    # It adds OTEL_RESOURCE_ATTRIBUTES of the environment.
    return Resource.create({"service.name": "outdial", "service.version": VERSION})


@cache
def _exporter() -> OTLPSpanExporter:
    # It reads OTEL_EXPORTER_OTLP_HEADERS and the like itself.
    endpoint = f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces"
    return OTLPSpanExporter(endpoint=endpoint, timeout=TIMEOUT_SECONDS)
