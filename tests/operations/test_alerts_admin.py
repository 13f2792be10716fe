"""What operators see of incidents, and how they say what is one."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from agents.models import Account
from core import heartbeat
from operations.models import AlertRule, Incident, Notice
from operations.tasks import alert
from tests.factories import make_account, make_agent
from tests.operations.conftest import EndCall
from tests.operations.watching import Watch
from tests.operator import Operator
from webhooks.models import Subscription
from webhooks.services import subscribe


@pytest.fixture
def operator(watch: Watch) -> Operator:
    heartbeat.beat()
    return Operator()


def disabled_webhook(account: Account) -> Subscription:
    hook, _ = subscribe(account, url="https://hooks.example.org/", events=["call.completed"])
    Subscription.objects.filter(id=hook.id).update(status="disabled", status_reason="gone")
    return hook


def text_of(page: str) -> str:
    return " ".join(page.replace("&#x27;", "'").split())


# Incidents ----------------------------------------------------------------------------------------


def test_an_incident_is_shown_until_it_is_over(
    watch: Watch, operator: Operator, account: Account
) -> None:
    hook = disabled_webhook(account)
    watch.look()

    overview = operator.read("")
    assert "A webhook of Clinic is disabled" in overview
    assert f"/admin/webhooks/subscription/{hook.id}/change/" in overview
    incident = Incident.objects.get()
    page = text_of(operator.read(f"operations/incident/{incident.id}/change/"))
    assert "Have the endpoint repaired" in page
    assert "ops@example.org" in page

    Subscription.objects.update(status="enabled")
    watch.wait(minutes=5)

    assert "A webhook of Clinic is disabled" not in operator.read("")
    listed = text_of(operator.read("operations/incident/"))
    assert "A webhook of Clinic is disabled" in listed
    assert "1 min" in listed
    assert "2 sent" in listed


def test_what_has_not_lasted_is_no_incident_yet(
    watch: Watch, operator: Operator, account: Account
) -> None:
    make_account(name="Poor", credits="5")
    watch.look()
    waiting = Incident.objects.get()
    assert "Poor is low" not in operator.read("") + operator.read("operations/incident/")
    assert operator.get(f"operations/incident/{waiting.id}/change/").status_code == 302
    watch.wait(minutes=5)
    assert "Poor is low" in operator.read("")
    assert "Poor is low" in operator.read("operations/incident/")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"state": "open"}, {"Clinic"}),
        ({"state": "over"}, {"Poor"}),
        ({"alert": "credits_low"}, {"Poor"}),
        ({"alert": "webhook_disabled"}, {"Clinic"}),
        ({"q": "poor"}, {"Poor"}),
        ({}, {"Clinic", "Poor"}),
    ],
)
def test_incidents_are_found(
    watch: Watch, operator: Operator, account: Account, query: dict[str, str], shown: set[str]
) -> None:
    AlertRule.objects.update(holds_for=0)
    poor = make_account(name="Poor", credits="5")
    disabled_webhook(account)
    watch.look()
    Account.objects.filter(id=poor.id).update(credits=100)
    watch.wait()

    page = operator.read("operations/incident/", **query)

    titles = {"Poor": "Poor is low on credits", "Clinic": "A webhook of Clinic is disabled"}
    assert {name for name, title in titles.items() if title in page} == shown


def test_nobody_changes_an_incident(watch: Watch, operator: Operator, account: Account) -> None:
    disabled_webhook(account)
    watch.look()
    path = f"operations/incident/{Incident.objects.get().id}"
    for address in (f"{path}/change/", f"{path}/delete/", "operations/incident/add/"):
        assert operator.post(address, title="x", post="yes").status_code == 403
    assert not Incident.objects.get().is_over


def test_many_of_a_kind_are_summed_up(watch: Watch, operator: Operator, account: Account) -> None:
    for _ in range(6):
        disabled_webhook(account)
    watch.look()
    page = text_of(operator.read(""))
    assert page.count("A webhook of Clinic is disabled") == 4
    assert "Webhook disabled: 2 more" in page
    assert "/admin/operations/incident/?state=open&amp;alert=webhook_disabled" in page


# Whose incidents ----------------------------------------------------------------------------------


def test_who_sees_some_accounts_sees_their_share_of_what_concerns_all(
    watch: Watch, operator: Operator, account: Account, stranger: Account, end_call: EndCall
) -> None:
    agents = {one: make_agent(one) for one in (account, stranger, make_account(name="Calm"))}
    for owner, lost in ((account, 3), (stranger, 7)):
        for _ in range(lost):
            end_call(
                agent=agents[owner],
                status="failed",
                talked=None,
                reason="carrier_silent",
                carrier="twilio",
            )
        disabled_webhook(owner)
    AlertRule.objects.update(holds_for=0)
    watch.look()
    incident = Incident.objects.get(rule="carrier_failing")

    def seen(*accounts: Account) -> str:
        limited = Operator(username=f"o{accounts}"[:20], role="Support", accounts=accounts or None)
        listed = limited.read("operations/incident/")
        assert ("Twilio does not answer" in listed) == (not accounts)
        page = limited.get(f"operations/incident/{incident.id}/change/")
        assert page.status_code == (302 if accounts else 200)
        return text_of(limited.read(""))

    everybody, mine, theirs = seen(), seen(account), seen(stranger)
    calm = seen(Account.objects.get(name="Calm"))

    assert "10 of 10 calls that ended in the last hour" in everybody
    assert "3 of 3 calls that ended in the last hour" in mine
    assert "7 of 7 calls that ended in the last hour" in theirs
    assert "Twilio" not in calm
    assert "Somebody else" not in mine
    assert "A webhook of Clinic is disabled" in mine
    assert "Clinic" not in theirs


# Rules --------------------------------------------------------------------------------------------


def test_a_rule_is_changed(watch: Watch, operator: Operator) -> None:
    page = operator.read("operations/alertrule/credits_low/change/")
    assert "Threshold (credits)" in page
    fields = {"is_on": "on", "threshold": "50", "holds_for": "0"}
    answer = operator.post("operations/alertrule/credits_low/change/", **fields)
    assert answer.status_code == 302

    rule = AlertRule.objects.get(kind="credits_low")
    assert (rule.is_on, rule.threshold, rule.holds_for) == (True, Decimal(50), 0)
    make_account(name="Poor", credits="49")
    watch.look()
    listed = text_of(operator.read("operations/alertrule/"))
    assert "50 credits" in listed
    assert [one.subject for one in mail.outbox] == ["[Outdial] Alert: Poor is low on credits"]


@pytest.mark.parametrize(
    ("kind", "fields", "complaint"),
    [
        ("api_errors", {"threshold": "0"}, "more than 0 and at most 100"),
        ("api_errors", {"threshold": "100.01"}, "more than 0 and at most 100"),
        ("api_slow", {"threshold": "-1"}, "greater than or equal to 0"),
        ("api_slow", {"threshold": ""}, "This field is required"),
        ("api_slow", {"holds_for": "1441"}, "less than or equal to 1440"),
        ("api_slow", {"holds_for": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    operator: Operator, kind: str, fields: dict[str, str], complaint: str
) -> None:
    before = AlertRule.objects.values().get(kind=kind)
    fields = {"is_on": "on", "threshold": "1", "holds_for": "1", **fields}
    page = operator.post(f"operations/alertrule/{kind}/change/", **fields).content.decode()
    assert complaint in page
    assert AlertRule.objects.values().get(kind=kind) == before


@pytest.mark.parametrize(("role", "may"), [("Owner", 302), ("Operator", 403), ("Support", 403)])
def test_only_owners_change_rules(watch: Watch, role: str, may: int) -> None:
    user = Operator(role=role)
    fields = {"threshold": "50", "holds_for": "0"}
    assert user.post("operations/alertrule/credits_low/change/", **fields).status_code == may
    assert user.post("operations/alertrule/send_test/").status_code == may


def test_it_says_who_is_told(watch: Watch, operator: Operator, settings: Any) -> None:
    settings.OPERATOR_WEBHOOK_URL = "https://ops.example.org/hooks/something-secret"
    page = operator.read("operations/alertrule/")
    assert "ops@example.org" in page
    assert "ops.example.org" in page
    assert "something-secret" not in page
    settings.ALERT_EMAILS, settings.OPERATOR_WEBHOOK_URL = [], ""
    assert "Nobody: incidents are shown on the overview alone" in operator.read(
        "operations/alertrule/"
    )
    assert operator.post("operations/alertrule/send_test/").status_code == 403


def test_a_test_is_sent_and_shown(watch: Watch, operator: Operator) -> None:
    assert "Send it" in operator.read("operations/alertrule/send_test/")
    assert not Notice.objects.exists()
    operator.post("operations/alertrule/send_test/")
    watch.clock.shift(timedelta(seconds=1))
    alert()
    assert [one.subject for one in mail.outbox] == ["[Outdial] Test of the alerts"]
    page = operator.read("operations/alertrule/")
    assert "E-mail, test" in page
    assert "[Outdial] Test of the alerts" in page
