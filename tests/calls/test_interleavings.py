"""Whatever happens in whatever order: one end, one final event, and a ledger that adds up."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agents.credits import top_up
from agents.models import Account, LedgerEntry
from calls import lifecycle
from calls.carriers.base import Accepted, CarrierError, CarrierUncertain
from calls.dialing import claim_asks, claim_looks, dialing
from calls.errors import CallAlreadyEnded
from calls.models import ACTIVE, TERMINAL, Call, Dial, DialStatus
from calls.questions import Job, Reply, put
from calls.reports import Report, Snapshot
from calls.shares import Shares
from tests.calls.story import StoryCarrier
from tests.factories import NUMBER, Api, make_account, make_agent, make_key
from webhooks.models import Event

LIMIT = 2
RULE = {"causes": ["busy", "no_answer", "failed"], "attempts": 3, "gaps": [10]}
ANSWERS = ("accepted", "lost", "refused", "refused for good")
REPORTS = [status for status in DialStatus if status != DialStatus.ASKING]


class Interleavings(RuleBasedStateMachine):
    """Clients, carriers, workers that may die, operators, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.traveller = time_machine.travel(timezone.now(), tick=False)
        self.clock = self.traveller.start()
        self.rollback = transaction.atomic()
        self.rollback.__enter__()
        account = make_account(credits="25")
        Account.objects.filter(id=account.id).update(max_concurrent_calls=LIMIT)
        self.account_id = account.id
        self.api = Api(make_key(account, requests_per_minute=100_000))
        self.agent = make_agent(account, carrier="story", max_duration=600)
        self.asked: list[Job] = []
        self.accepted: Counter[Any] = Counter()
        dialing().begin()

    def teardown(self) -> None:
        self._finish()
        transaction.set_rollback(True)
        self.rollback.__exit__(None, None, None)
        self.traveller.stop()

    # What people and programs do ------------------------------------------------------------------

    @rule(retry=st.booleans(), later=st.booleans())
    def place(self, retry: bool, later: bool) -> None:
        body: dict[str, Any] = {"agentId": self.agent.native_id, "toNumber": NUMBER}
        if retry:
            body["retry"] = RULE
        if later:
            body["scheduledAt"] = (timezone.now() + timedelta(seconds=30)).isoformat()
        answer = self.api.post("/api/v1/calls/send", body)
        assert answer.status_code in (201, 402)

    @precondition(lambda self: Call.objects.exists())
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        call_id = data.draw(st.sampled_from(list(Call.objects.values_list("id", flat=True))))
        try:
            lifecycle.cancel(call_id, now=timezone.now())
        except CallAlreadyEnded:
            assert Call.objects.get(id=call_id).is_terminal

    @rule()
    def top_up(self) -> None:
        top_up(Account.objects.get(id=self.account_id), amount=Decimal("7.5"), reason="Paid")

    # What workers do ------------------------------------------------------------------------------

    @rule()
    def claim(self) -> None:
        now = timezone.now()
        lifecycle.promote_due(now=now)
        lifecycle.expire_due(now=now)
        jobs = claim_looks(4, shares=Shares())
        self.asked += jobs + claim_asks(4, shares=Shares())

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), answer=st.sampled_from(ANSWERS))
    def answer(self, data: Any, answer: str) -> None:
        job = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        self._reply(job, self._outcome(job, answer))

    @precondition(lambda self: self.asked)
    @rule()
    def die(self) -> None:
        """Every question under way is forgotten, but the carrier may have taken the order."""
        for job in self.asked:
            if job.is_ask:
                self.accepted[job.order.dial_id] += 1
        self.asked.clear()

    # What carriers say ----------------------------------------------------------------------------

    @precondition(lambda self: Dial.objects.exists())
    @rule(data=st.data(), status=st.sampled_from(REPORTS), ago=st.integers(0, 60))
    def report(self, data: Any, status: DialStatus, ago: int) -> None:
        dial_id = data.draw(st.sampled_from(list(Dial.objects.values_list("id", flat=True))))
        at = timezone.now() - timedelta(seconds=ago)
        lifecycle.apply(dial_id=dial_id, report=Report(status, at))

    @rule(seconds=st.integers(1, 200))
    def wait(self, seconds: int) -> None:
        self.clock.shift(timedelta(seconds=seconds))

    # What always holds ----------------------------------------------------------------------------

    @invariant()
    def the_ledger_adds_up(self) -> None:
        account = Account.objects.get(id=self.account_id)
        sums = LedgerEntry.objects.aggregate(credits=Sum("credits"), reserved=Sum("reserved"))
        assert account.credits == sums["credits"]
        assert account.reserved == sums["reserved"]
        assert account.credits is not None
        assert account.credits >= 0
        open_calls = Call.objects.exclude(status__in=TERMINAL)
        held = open_calls.aggregate(sum=Sum("reserved"))["sum"] or 0
        assert account.reserved == held
        assert not Call.objects.filter(status__in=TERMINAL).exclude(reserved=0).exists()

    @invariant()
    def each_call_has_at_most_one_end(self) -> None:
        ends = Counter(
            Event.objects.filter(type__in=["call.completed", "call.failed"]).values_list(
                "subject", flat=True
            )
        )
        ended = {call.native_id for call in Call.objects.filter(status__in=TERMINAL)}
        assert ends == Counter(dict.fromkeys(ended, 1))

    @invariant()
    def no_limit_is_passed(self) -> None:
        assert Call.objects.active().count() <= LIMIT

    @invariant()
    def an_active_call_has_one_open_dial(self) -> None:
        active = set(Call.objects.filter(status__in=ACTIVE).values_list("id", flat=True))
        assert active == set(Dial.objects.filter(ended_at=None).values_list("call", flat=True))

    @invariant()
    def nothing_is_taken_twice(self) -> None:
        assert all(count <= 1 for count in self.accepted.values())

    # ----------------------------------------------------------------------------------------------

    def _outcome(self, job: Job, answer: str) -> Any:
        if not job.is_ask:
            return put(job).outcome
        if answer.startswith("refused"):
            permanent = answer.endswith("good")
            return CarrierError("no", permanent=permanent, reason="carrier_busy")
        self.accepted[job.order.dial_id] += 1
        if answer == "lost":
            return CarrierUncertain("cut")
        return Accepted(carrier_id="c", look_at=timezone.now() + timedelta(seconds=5))

    def _reply(self, job: Job, outcome: Any) -> None:
        dialing()._taken([job])
        dialing().record([Reply(job=job, outcome=outcome)])

    def _finish(self) -> None:
        """Time passes, workers live: every call ends, and no place is left taken."""
        for _ in range(400):
            if not Call.objects.exclude(status__in=TERMINAL).exists():
                break
            self.claim()
            while self.asked:
                job = self.asked.pop()
                self._reply(job, self._outcome(job, "accepted"))
            self.clock.shift(timedelta(seconds=60))
        assert not Call.objects.exclude(status__in=TERMINAL).exists()
        self.the_ledger_adds_up()
        self.each_call_has_at_most_one_end()
        assert Account.objects.get(id=self.account_id).reserved == 0


@pytest.mark.timeout(300)
def test_interleavings(db: None, carrier: StoryCarrier) -> None:
    def forgotten(order: Any) -> Snapshot:
        return Snapshot(reports=(), look_at=timezone.now() + timedelta(seconds=30))

    carrier.on_fetch = forgotten
    run_state_machine_as_test(
        Interleavings,
        settings=hypothesis_settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
