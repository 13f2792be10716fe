"""A call's trace, from its acceptance to the delivery of its end, as a collector receives it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pytest_django import Settings

from agents.models import Agent
from calls.models import Call
from operations import otlp, rollups
from operations.tasks import roll_up
from tests.factories import NUMBER, Api
from tests.receiver import Received, Receiver, Reply, receiving
from webhooks.services import subscribe

Work = Callable[..., None]
SEND = "/api/v1/calls/send"


@pytest.fixture
def collector(db: None, settings: Settings) -> Iterator[Receiver]:
    """It has been told of nothing yet; what happens from now on is told."""
    with receiving() as collector:
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url.removesuffix("/hook")
        otlp._exporter.cache_clear()
        roll_up()
        yield collector
    otlp._exporter.cache_clear()


def resources(requests: list[Received]) -> set[tuple[str, str]]:
    return {
        (attribute.key, attribute.value.string_value)
        for request in requests
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans
        for attribute in resource.resource.attributes
    }


def spans(collector: Receiver) -> list[Span]:
    assert {request.path for request in collector.requests} <= {"/v1/traces"}
    return [
        span
        for request in collector.requests
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(span: Span) -> dict[str, str | int]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def seconds(span: Span) -> float:
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


def test_a_trace_follows_a_call_from_request_to_delivery(
    collector: Receiver, api: Api, agent: Agent, receiver: Receiver, work: Work
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed"])
    receiver.reply = lambda request: Reply(status=500 if len(receiver.requests) == 1 else 200)
    api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER}, X_Request_Id="a-request-id")
    roll_up()
    work()
    roll_up()
    roll_up()

    call = Call.objects.get()
    told = spans(collector)
    assert {UUID(bytes=span.trace_id) for span in told} == {call.id}
    assert len({span.span_id for span in told}) == len(told)
    names = {span.span_id: span.name for span in told}
    assert sorted((span.name, names.get(span.parent_span_id, "")) for span in told) == [
        ("call", ""),
        ("deliver", "call"),
        ("deliver", "call"),
        ("dial", "call"),
        ("ring", "dial"),
        ("talk", "dial"),
        ("wait", "call"),
    ]
    by_name = {span.name: span for span in told}
    root = attributes(by_name["call"])
    assert root["outdial.request_id"] == "a-request-id"
    assert root["outdial.call"] == call.native_id
    assert root["outdial.outcome"] == "completed"
    assert call.started_at
    assert call.ended_at
    assert seconds(by_name["talk"]) == pytest.approx(
        (call.ended_at - call.started_at).total_seconds(), abs=0.001
    )
    tries = [span for span in told if span.name == "deliver"]
    assert [(attributes(one)["http.response.status_code"], one.status.code) for one in tries] == [
        (500, Status.STATUS_CODE_ERROR),
        (200, Status.STATUS_CODE_UNSET),
    ]
    assert ("service.name", "outdial") in resources(collector.requests)
    assert NUMBER not in str(told)


def test_each_try_is_a_dial_of_the_same_trace(
    collector: Receiver, api: Api, agent: Agent, work: Work
) -> None:
    retry = {"causes": ["busy"], "attempts": 2, "gaps": [60]}
    order = {"agentId": agent.native_id, "toNumber": "+14155550101", "retry": retry}
    api.post(SEND, order)
    for _ in range(4):
        work(for_=timedelta(seconds=45))
        roll_up()

    told = spans(collector)

    assert sorted(span.name for span in told if span.name != "ring") == [
        "call",
        "dial",
        "dial",
        "wait",
        "wait",
    ]
    dials = [span for span in told if span.name == "dial"]
    assert {attributes(span)["outdial.dial"] for span in dials} == {1, 2}
    assert {span.status.code for span in dials} == {Status.STATUS_CODE_ERROR}
    # The gap between the two is no wait.
    assert all(seconds(span) < 55 for span in told if span.name == "wait")


def test_a_collector_that_refuses_stops_nothing(
    collector: Receiver, api: Api, agent: Agent, work: Work
) -> None:
    collector.reply = lambda request: Reply(status=400)
    api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    roll_up()
    assert len(collector.requests) == 1

    collector.reply = lambda request: Reply()
    collector.requests.clear()
    api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER})
    work()
    roll_up()

    second = Call.objects.latest("created_at")
    assert {UUID(bytes=span.trace_id) for span in spans(collector)} == {second.id}


def test_what_was_before_is_not_told(
    api: Api, agent: Agent, work: Work, request: pytest.FixtureRequest
) -> None:
    api.post(SEND, {"agentId": agent.native_id, "toNumber": NUMBER})
    work()

    collector: Receiver = request.getfixturevalue("collector")
    roll_up()

    assert collector.requests == []


def test_traces_have_no_part_in_how_old_the_figures_are(collector: Receiver, work: Work) -> None:
    assert rollups.lag(now=timezone.now()) is not None
