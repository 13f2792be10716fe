"""The first page of the admin: figures from rollups, and what needs the operator."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Account, Agent
from calls.models import Call, Dial
from core import heartbeat
from operations import usage
from operations.dashboard import dashboard
from tests.factories import Api, make_account, make_agent
from tests.operations.conftest import EndCall
from tests.operator import Operator
from tests.receiver import Receiver, Reply
from webhooks.models import Subscription
from webhooks.services import subscribe

Work = Callable[..., None]
RollUp = Callable[[], None]
Check = Callable[[], None]


@pytest.fixture
def operator(db: None) -> Operator:
    heartbeat.beat()
    return Operator()


def text_of(page: str) -> str:
    return " ".join(page.replace("&#x27;", "'").split())


def test_an_empty_install_says_what_to_do(operator: Operator, rolled_up: RollUp) -> None:
    rolled_up()

    page = operator.read("")

    assert "No call has ended in the last 24 hours" in page
    assert "Make the first one" in page
    assert "Programs need a key" in page
    assert "Add a webhook" in page
    assert "No account counts credits" in page
    assert "Nothing needs you" in page
    assert "data-value" not in page


def test_calls_webhooks_and_the_api_are_shown(
    operator: Operator, api: Api, agent: Agent, receiver: Receiver, work: Work, rolled_up: RollUp
) -> None:
    subscribe(agent.account, url=receiver.url, events=["call.completed", "call.failed"])
    for number in ("+14155550123", "+14155550123", "+14155550103", "+14155550101"):
        api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": number})
    api.get("/api/v1/calls/none")
    work()
    rolled_up()
    usage.flush()

    page = text_of(operator.read("", range="hour"))

    assert "4 ended" in page
    assert "75 %" in page
    assert "of 4 calls, 1 by a machine" in page
    assert "20 % errors" in page
    assert "of 4 attempts" in page
    assert "nothing is overdue" in page
    assert "Busy <b>1</b>" in page
    assert "<td>997</td><td>3</td><td>about 332 d</td>" in page


@pytest.mark.parametrize(("range_", "ended"), [("hour", 1), ("day", 2), ("week", 3), ("month", 4)])
def test_each_range_looks_back_so_far(
    operator: Operator, end_call: EndCall, rolled_up: RollUp, range_: str, ended: int
) -> None:
    now = timezone.now()
    for back in (timedelta(minutes=20), timedelta(hours=20), timedelta(days=5), timedelta(days=25)):
        end_call(at=now - back, talked=1)
    rolled_up()

    assert f"{ended} ended" in operator.read("", range=range_)


def test_an_unknown_range_is_the_usual_one(operator: Operator) -> None:
    assert "The last 24 hours" in operator.read("", range="century")


def test_live_and_waiting_calls_are_counted(operator: Operator, api: Api, agent: Agent) -> None:
    order = {"agentId": agent.native_id, "toNumber": "+14155550123"}
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    for fields in ({}, {}, {"scheduledAt": later}):
        assert api.post("/api/v1/calls/send", {**order, **fields}).status_code == 201
    Call.objects.filter(id=Call.objects.earliest("created_at").id).update(status="ringing")

    page = text_of(operator.read(""))

    assert "1 queued, 1 scheduled" in page
    link = "/admin/calls/call/?status__in=dialing,ringing,in_progress"
    assert link in page
    assert operator.get("calls/call/", status__in="dialing,ringing,in_progress").status_code == 200


def test_who_logs_in_lands_on_it(db: None) -> None:
    User.objects.create_superuser("ada", password="an-operator's-password")
    browser = Client()
    answer = browser.post(
        "/admin/login/", {"username": "ada", "password": "an-operator's-password"}
    )
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


# Needs attention ----------------------------------------------------------------------------------


def test_a_silent_worker_needs_attention(operator: Operator) -> None:
    cache.clear()
    assert "No worker has been heard from" in operator.read("")


def test_figures_that_are_behind_need_attention(operator: Operator, rolled_up: RollUp) -> None:
    assert "The figures are behind" in operator.read("")
    rolled_up()
    assert "The figures are behind" not in operator.read("")


def test_a_stuck_call_leads_to_its_page(
    operator: Operator, end_call: EndCall, checked: Check
) -> None:
    call = end_call()
    Call.objects.filter(id=call.id).update(status="ringing", ended_at=None)
    late = timezone.now() - timedelta(minutes=6)
    Dial.objects.create(call=call, due_at=late, deadline_at=late)
    checked()

    page = operator.read("")

    assert "1 call over simulated is stuck" in page
    assert f"/admin/calls/call/{call.id}/change/" in page


def test_carriers_and_agents_that_fail_need_attention(
    operator: Operator, end_call: EndCall, agent: Agent, checked: Check
) -> None:
    well = make_agent(agent.account, name="Well")
    now = timezone.now()
    for _ in range(5):
        end_call(at=now, talked=1, carrier="twilio")
        end_call(at=now, talked=1, agent=well)
    for mode in ("live", "live", "live", "test"):
        end_call(
            at=now,
            status="failed",
            talked=None,
            reason="carrier_silent",
            carrier="twilio",
            mode=mode,
        )
    end_call(at=now, status="failed", talked=None, reason="rejected", agent=well)
    checked()

    page = text_of(operator.read(""))

    assert "Twilio does not answer" in page
    assert "3 of 8 calls that ended in the last hour failed" in page
    assert "Reminders fails often" in page
    assert "3 of 8 calls of Clinic failed" in page
    assert f"agent__id__exact={agent.id}&amp;status__exact=failed" in page
    assert "Well fails often" not in page
    filters = {"agent__id__exact": str(agent.id), "status__exact": "failed"}
    assert operator.get("calls/call/", **filters).status_code == 200


def test_webhooks_that_fail_need_attention(
    operator: Operator, api: Api, agent: Agent, receiver: Receiver, work: Work, checked: Check
) -> None:
    gone, _ = subscribe(agent.account, url=receiver.url, events=["call.completed"])
    broken, _ = subscribe(
        agent.account, url=f"{receiver.url}/broken", events=["call.started", "call.completed"]
    )
    receiver.reply = lambda request: Reply(status=410 if request.path == "/hook" else 500)
    for _ in range(3):
        api.post("/api/v1/calls/send", {"agentId": agent.native_id, "toNumber": "+14155550123"})
    work(for_=timedelta(minutes=1))
    assert Subscription.objects.get(id=gone.id).status == "disabled"
    checked()

    page = text_of(operator.read(""))

    assert "A webhook of Clinic is disabled" in page
    assert "410 Gone" in page
    assert "A webhook of Clinic is failing" in page
    assert f"/admin/webhooks/subscription/{broken.id}/change/" in page


def test_low_credits_need_attention(operator: Operator, end_call: EndCall, checked: Check) -> None:
    make_account(name="Poor", credits="3")
    make_account(name="Endless", credits=None)
    spender = make_agent(make_account(name="Spender", credits="50"))
    end_call(at=timezone.now() - timedelta(hours=2), agent=spender, cost=Decimal(60))
    checked()

    page = text_of(operator.read(""))

    assert "Poor is low on credits" in page
    assert "Spender is low on credits" in page
    assert "It spent 60 in a day" in page
    assert "about 20 h" in page
    assert "Clinic is low" not in page
    assert "Endless" not in page


# Whose figures ------------------------------------------------------------------------------------


def test_figures_are_those_of_the_accounts_that_are_seen(
    operator: Operator,
    end_call: EndCall,
    account: Account,
    stranger: Account,
    api: Api,
    stranger_api: Api,
    checked: Check,
) -> None:
    theirs = make_agent(stranger, name="Theirs")
    now = timezone.now()
    end_call(at=now, talked=1)
    for _ in range(6):
        end_call(at=now, talked=None, status="failed", reason="carrier_silent", agent=theirs)
    subscribe(stranger, url="https://hooks.example.org/", events=["call.completed"])
    Subscription.objects.update(status="disabled")
    Account.objects.filter(id=stranger.id).update(credits=0)
    api.get("/api/v1/account")
    stranger_api.get("/api/v1/account")
    stranger_api.get("/api/v1/account")
    checked()
    usage.flush()

    request = operator.get("").wsgi_request
    seen = dashboard(request, accounts=[account.id])

    assert (seen["calls_total"], seen["api_total"]) == ("1", "1")
    assert [balance["name"] for balance in seen["balances"]] == ["Clinic"]
    assert not seen["has_webhooks"]
    assert seen["items"] == []
    everybody = dashboard(request, accounts=None)
    assert (everybody["calls_total"], everybody["api_total"]) == ("7", "3")
    assert len(everybody["items"]) == 4
    nobody = dashboard(request, accounts=[])
    assert (nobody["calls_total"], nobody["api_total"], nobody["balances"]) == ("0", "0", [])


def test_a_role_sees_its_parts_only(operator: Operator) -> None:
    user = User.objects.get()
    User.objects.filter(id=user.id).update(is_superuser=False)
    assert "Your role shows no figures" in operator.read("")

    user.user_permissions.set(Permission.objects.filter(codename="view_call"))
    page = operator.read("")
    assert "Calls by outcome" in page
    assert "API requests" not in page
    assert "Credits, lowest first" not in page
    assert "Webhook" not in page[page.index("od-dashboard") :]


# How much it costs --------------------------------------------------------------------------------


def test_the_number_of_queries_does_not_grow(
    operator: Operator, end_call: EndCall, agent: Agent, checked: Check
) -> None:
    now = timezone.now()

    def fill(times: int) -> None:
        for number in range(times):
            own = make_agent(make_account(name=f"Account {number}", credits="5"), name="Own")
            subscribe(own.account, url="https://hooks.example.org/", events=["call.completed"])
            for _ in range(5):
                end_call(at=now, status="failed", reason="carrier_down", talked=None, agent=own)
            call = end_call(at=now, agent=own)
            Call.objects.filter(id=call.id).update(status="ringing", ended_at=None)
            Dial.objects.create(call=call, due_at=now, deadline_at=now - timedelta(hours=1))
        Subscription.objects.update(status="disabled")
        checked()

    def queries() -> int:
        operator.read("")
        with CaptureQueriesContext(connection) as captured:
            operator.read("")
        return len(captured)

    fill(1)
    few = queries()
    fill(6)

    assert queries() == few <= 25
