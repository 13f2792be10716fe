"""Who is told: subscriptions, and the outbox of events with their deliveries and attempts."""

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from agents.models import Account, Agent, OfAccount
from core import secrets
from core.ids import native_id, new_id


class Surface(models.TextChoices):
    """Whose dialect a subscription is told in."""

    NATIVE = "native"
    ZAPIER = "zapier"


# So many failures in a row open an endpoint's circuit: from then on it is probed, one delivery at
# a time, the more seldom the longer it has failed.
CIRCUIT_OPENS_AFTER = 5
# How long a delivery is its worker's: longer than an attempt can take, with room for the writing.
LEASE = timedelta(seconds=30)
TAKES_TURNS = Q(failures_in_row__gte=CIRCUIT_OPENS_AFTER) | Q(requests_per_second__isnull=False)


class SubscriptionQuerySet(OfAccount["Subscription"]):
    def present(self) -> Self:
        return self.filter(deleted_at=None)

    def open(self, *, now: datetime) -> Self:
        """Those that may be sent to: enabled, and not asking for silence."""
        silent = Q(resumes_at__gt=now)
        return self.present().filter(status=Subscription.Status.ENABLED).exclude(silent)

    def takes_turns(self) -> Self:
        """Those that are sent to one turn at a time: an open circuit, or a limited rate."""
        return self.filter(TAKES_TURNS)

    def takes_shares(self) -> Self:
        return self.exclude(TAKES_TURNS)


class Subscription(models.Model):
    """An endpoint that wants to be told. A deleted one stays for the log of its deliveries."""

    class Status(models.TextChoices):
        ENABLED = "enabled"
        PAUSED = "paused"
        DISABLED = "disabled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="subscriptions")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="subscriptions",
        help_text="Only this agent's events. Empty: those of all agents of the account.",
    )
    surface = models.CharField(
        max_length=6, choices=Surface, default=Surface.NATIVE, editable=False
    )
    url = models.CharField("URL", max_length=2000)
    events = models.JSONField(default=list)
    description = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.ENABLED)
    status_reason = models.CharField(max_length=60, blank=True, editable=False)
    encrypted_secret = models.TextField(editable=False)
    # While a rotation's overlap lasts, both secrets sign.
    encrypted_old_secret = models.TextField(blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    requests_per_second = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="At most so many requests a second. Empty: no limit."
    )
    # Health: since when nothing but failure, how often in a row, and until when to leave the
    # endpoint alone, because it asked for that, its circuit is open, or its limit is used up.
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failures_in_row = models.PositiveIntegerField(default=0, editable=False)
    resumes_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "webhook"
        indexes = [
            models.Index(
                F("account"), F("created_at").desc(), F("id").desc(), name="subscription_account"
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "url"],
                condition=Q(surface="zapier", deleted_at__isnull=True),
                name="zapier_subscription_unique",
            )
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def native_id(self) -> str:
        return native_id("whk", self.id)

    def wants(self, type: str, *, agent_id: UUID | None) -> bool:
        return type in self.events and self.agent_id in (None, agent_id)

    def signing_secrets(self, *, now: datetime) -> list[str]:
        """The secrets that sign now: during a rotation's overlap the old one, then the new one."""
        current = secrets.decrypt(self.encrypted_secret)
        if self.old_secret_until and now < self.old_secret_until:
            return [secrets.decrypt(self.encrypted_old_secret), current]
        return [current]


class EventQuerySet(OfAccount["Event"]):
    pass


class Event(models.Model):
    """Something that happened, with its bodies as they are sent, byte for byte."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="events")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="events")
    type = models.CharField(max_length=40)
    # The call or message it is about. These stand above webhooks: an id, no foreign key.
    subject = models.CharField(max_length=40, blank=True)
    body = models.TextField()
    zapier_body = models.TextField(blank=True)
    created_at = models.DateTimeField()

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                F("account"), F("created_at").desc(), F("id").desc(), name="event_account"
            ),
            models.Index(fields=["subject"], name="event_subject"),
            models.Index(F("created_at").desc(), F("id").desc(), name="event_created"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.native_id}"

    @property
    def native_id(self) -> str:
        return native_id("evt", self.id)

    def body_for(self, surface: str) -> str:
        return self.zapier_body if surface == Surface.ZAPIER else self.body


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def for_account(self, account: Account) -> Self:
        return self.filter(subscription__account=account)

    def due(self, *, now: datetime) -> Self:
        return self.filter(status=Delivery.Status.PENDING, next_attempt_at__lte=now)

    def not_being_sent(self, *, now: datetime) -> Self:
        """All but those that a worker is posting at this moment: their lease runs."""
        return self.exclude(
            status=Delivery.Status.PENDING, lease_token__isnull=False, next_attempt_at__gt=now
        )


class Delivery(models.Model):
    """One event on its way to one subscription. While it is being posted, `next_attempt_at` is
    the end of the lease: a worker that dies leaves it to come due again."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"
        HELD = "held"
        CANCELED = "canceled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Indexes below begin with each of them; every further one is written twice a delivery.
    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["event", "subscription"], name="delivery_once_per_event_and_subscription"
            )
        ]
        indexes = [
            # Two lanes, so that a backlog of retries is never walked to find a first attempt.
            models.Index(
                fields=["subscription", "next_attempt_at"],
                condition=Q(status="pending", attempts=0),
                name="delivery_due_first",
            ),
            models.Index(
                fields=["subscription", "next_attempt_at"],
                condition=Q(status="pending", attempts__gt=0),
                name="delivery_due_again",
            ),
            models.Index(
                fields=["next_attempt_at"], condition=Q(status="pending"), name="delivery_due"
            ),
            models.Index(
                F("subscription"), F("created_at").desc(), F("id").desc(), name="delivery_log"
            ),
            models.Index(F("created_at").desc(), F("id").desc(), name="delivery_created"),
            # The few that did not arrive; those that did are never written here.
            models.Index(
                F("status"),
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(status__in=["failed", "held", "canceled"]),
                name="delivery_not_delivered",
            ),
            models.Index(
                F("subscription"),
                F("status"),
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(status__in=["failed", "held", "canceled"]),
                name="delivery_log_not_delivered",
            ),
            # The newest that were attempted, however long the backlog behind them.
            models.Index(
                F("subscription"),
                F("created_at").desc(),
                condition=Q(attempts__gt=0),
                name="delivery_attempted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.native_id} {self.status}"

    @property
    def native_id(self) -> str:
        return native_id("dlv", self.id)


class Attempt(models.Model):
    """One POST of a delivery: what was sent, what came back, or how it failed."""

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="log", db_index=False
    )
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    duration = models.FloatField(help_text="Seconds.")
    failure = models.CharField(max_length=40, blank=True)
    request_headers = models.JSONField(default=dict)
    response_status = models.PositiveSmallIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["delivery", "id"], name="attempt_delivery")]

    def __str__(self) -> str:
        return self.failure or str(self.response_status)
