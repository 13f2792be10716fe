"""What happens: a call, the dials that carry it out, and its timeline."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from agents.models import Account, Agent, ApiKey, Mode, OfAccount
from calls.models.erasure import ERASED
from core.ids import native_id, new_id


class Status(models.TextChoices):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    DIALING = "dialing"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


ANSWERED: tuple[str, ...] = (Status.COMPLETED, Status.VOICEMAIL)
TERMINAL: tuple[str, ...] = (
    *ANSWERED,
    Status.BUSY,
    Status.NO_ANSWER,
    Status.FAILED,
    Status.CANCELED,
)
WAITING: tuple[str, ...] = (Status.SCHEDULED, Status.QUEUED)
ACTIVE: tuple[str, ...] = (Status.DIALING, Status.RINGING, Status.IN_PROGRESS)


# How long a call waits for its turn unless the client says otherwise.
WAITS_FOR = timedelta(days=1)


class CallQuerySet(OfAccount["Call"]):
    def due(self, *, now: datetime) -> Self:
        """Waiting calls whose time to be dialled has come, longest waiting first."""
        return self.filter(status=Status.QUEUED, due_at__lte=now).order_by("due_at", "id")

    def late(self, *, now: datetime) -> tuple[Self, Self]:
        """Waiting calls that are not to be dialled any more: by their own word, and by ours.

        Two, because each has an index of its own.
        """
        given = self.filter(expires_at__lte=now, status__in=WAITING).order_by("expires_at")
        usual = self.filter(due_at__lte=now - WAITS_FOR, status=Status.QUEUED).order_by("due_at")
        return given, usual.filter(expires_at=None)

    def known_as(self, call_id: UUID) -> Self:
        """Those whose own id it is, or whose client chose it."""
        return self.filter(Q(id=call_id) | Q(client_id=call_id))

    def active(self) -> Self:
        return self.filter(status__in=ACTIVE)


class Call(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="calls")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="calls")
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="calls")
    # Who asked for it in the admin, where no key did: the username.
    operator = models.CharField(max_length=150, blank=True)
    # The id a Zapier client chose for it: unique within its account and mode, never globally.
    client_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64)
    # Of the order as it was sent: what the database keeps of it may read back differently.
    fingerprint = models.CharField(max_length=64, blank=True)
    client_address = models.GenericIPAddressField(null=True)
    mode = models.CharField(max_length=4, choices=Mode)
    carrier = models.CharField(max_length=40)

    status = models.CharField(max_length=11, choices=Status, default=Status.QUEUED)
    reason = models.CharField(max_length=60, blank=True)
    from_number = models.CharField(max_length=16)
    to_number = models.CharField(max_length=16)
    params = models.JSONField(null=True)
    metadata = models.JSONField(null=True)
    campaign_id = models.UUIDField(null=True)
    prompt = models.TextField(blank=True)
    greeting = models.TextField(blank=True)
    missing_params = models.JSONField(default=list)
    ring_timeout = models.PositiveIntegerField()
    max_duration = models.PositiveIntegerField()

    # What the client said of when: not before, not after, again if nobody answers, at any hour.
    # Without an `expires_at` it may wait for a day from whenever it comes due.
    scheduled_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    retry = models.JSONField(null=True)
    ignore_calling_hours = models.BooleanField(default=False)

    # What it was accepted at, so that a new price counts for new calls only.
    price_per_minute = models.DecimalField(max_digits=10, decimal_places=4, default=Decimal(1))
    reserved = models.DecimalField(max_digits=14, decimal_places=4, default=Decimal(0))
    cost = models.DecimalField(max_digits=14, decimal_places=4, null=True)

    # How many events were published: the next one's number, so that receivers can tell the order.
    events_published = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    # What the carrier's voice engine made of the conversation.
    transcript = models.TextField(blank=True)
    summary = models.TextField(blank=True)
    recording_url = models.CharField(max_length=2_000, blank=True)

    objects = CallQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, ended_at__isnull=False)
                | (~Q(status__in=TERMINAL) & Q(ended_at__isnull=True)),
                name="call_ended_exactly_when_terminal",
            ),
            models.UniqueConstraint(
                fields=["account", "mode", "client_id"],
                condition=Q(client_id__isnull=False),
                name="call_client_id_unique_in_account_and_mode",
            ),
        ]
        indexes = [
            models.Index(F("account"), F("created_at").desc(), F("id").desc(), name="call_account"),
            models.Index(F("agent"), F("created_at").desc(), F("id").desc(), name="call_agent"),
            models.Index(F("status"), F("created_at").desc(), F("id").desc(), name="call_status"),
            # The few of an account: of one that calls little none of the above leads to them.
            models.Index(
                F("account"),
                F("status"),
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(status__in=["failed", "canceled"]),
                name="call_account_lost",
            ),
            models.Index(F("to_number"), F("created_at").desc(), F("id").desc(), name="call_to"),
            models.Index(F("created_at").desc(), F("id").desc(), name="call_created"),
            models.Index(fields=["due_at"], condition=Q(status="queued"), name="call_due"),
            models.Index(
                fields=["account", "mode", "agent", "carrier", "due_at", "id"],
                condition=Q(status="queued"),
                name="call_lane",
            ),
            models.Index(
                fields=["carrier", "account", "mode", "agent"],
                condition=Q(status__in=ACTIVE),
                name="call_active",
            ),
            models.Index(fields=["due_at"], condition=Q(status="scheduled"), name="call_scheduled"),
            models.Index(
                fields=["expires_at"],
                condition=Q(status__in=WAITING),
                name="call_expiring",
            ),
            models.Index(
                fields=["account", "status"],
                condition=Q(ended_at__isnull=True),
                name="call_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.to_number} {self.status}"

    @property
    def native_id(self) -> str:
        return native_id("call", self.id)

    @property
    def zapier_id(self) -> UUID:
        return self.client_id or self.id

    @property
    def duration(self) -> int | None:
        """Whole seconds from answer to end; None where it was not answered or has not ended."""
        if not self.started_at or not self.ended_at:
            return None
        return round((self.ended_at - self.started_at).total_seconds())

    @property
    def planned_at(self) -> datetime | None:
        """What it waits for while it is scheduled, which rules may have put off; else what the
        client said."""
        return self.due_at if self.status == Status.SCHEDULED else self.scheduled_at

    @property
    def last_moment(self) -> datetime | None:
        """When it is canceled if it still waits then; None where it does not wait."""
        if self.status not in WAITING or not self.due_at:
            return None
        return self.expires_at or self.due_at + WAITS_FOR

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_erased(self) -> bool:
        return self.to_number == ERASED


class DialStatus(models.TextChoices):
    """A dial's own way: asked of the carrier, then as the call."""

    ASKING = "asking"
    DIALING = "dialing"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"


class DialQuerySet(models.QuerySet["Dial"]):
    def to_look_at(self, *, now: datetime) -> Self:
        """Dials that a carrier may hold, to be looked after or ended."""
        return self._due(now).filter(ended_at=None, asked_at__isnull=False)

    def to_ask_again(self, *, now: datetime) -> Self:
        """Dials that a carrier proved not to hold, to be asked for once more."""
        return self._due(now).filter(ended_at=None, asked_at=None)

    def stray(self, *, now: datetime) -> Self:
        """Dials to hang up: we gave up on them, and the carrier took them after all."""
        return self._due(now).filter(stray_since__isnull=False)

    def _due(self, now: datetime) -> Self:
        return self.filter(due_at__lte=now).order_by("due_at", "id")


class Dial(models.Model):
    """One try to reach the callee: at most once accepted by a carrier.

    Committed before the carrier is asked. `asked_at` is null only while there is proof that the
    carrier holds nothing of it, so only then may it be asked.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="dials")
    number = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=11, choices=DialStatus, default=DialStatus.ASKING)
    reason = models.CharField(max_length=60, blank=True)
    carrier_id = models.CharField(max_length=100, blank=True)
    # `human` or `machine` once the carrier has told; it tells before the end, or with it.
    answered_by = models.CharField(max_length=10, blank=True)
    asks = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    # Whatever came of it: carriers count how often they are asked.
    last_asked_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # When a worker has to look at it next, and the moment from which it is overdue.
    due_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    # Null while no worker is at it.
    lease_token = models.UUIDField(null=True)
    # Ended for us, and then the carrier was heard to hold it all the same: to be hung up.
    stray_since = models.DateTimeField(null=True)

    objects = DialQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["call", "number"], name="dial_number_unique_in_call"),
            models.UniqueConstraint(
                fields=["call"], condition=Q(ended_at__isnull=True), name="dial_one_at_a_time"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(ended_at__isnull=True), name="dial_due"),
            models.Index(fields=["last_asked_at"], name="dial_asked"),
            models.Index(
                fields=["due_at"], condition=Q(stray_since__isnull=False), name="dial_stray"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.call_id} #{self.number} {self.status}"


class CallEvent(models.Model):
    """One line of a call's timeline: what happened, when, and what was learned."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="timeline")
    dial = models.ForeignKey(Dial, on_delete=models.CASCADE, null=True)
    type = models.CharField(max_length=40)
    at = models.DateTimeField()
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["call", "id"], name="callevent_call")]

    def __str__(self) -> str:
        return self.type
