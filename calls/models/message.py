"""A text message and its own small way to its end."""

from datetime import datetime
from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import F, Q

from agents.models import Account, Agent, ApiKey, Mode, OfAccount
from core.ids import native_id, new_id


class MessageStatus(models.TextChoices):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"


MESSAGE_ENDS: tuple[str, ...] = (MessageStatus.DELIVERED, MessageStatus.FAILED)


class MessageQuerySet(OfAccount["Message"]):
    def due(self, *, now: datetime) -> Self:
        """Messages that a worker has to send, or ask after."""
        return self.filter(due_at__lte=now, ended_at=None).order_by("due_at", "id")


class Message(models.Model):
    """A text message: at most once accepted by a carrier.

    As with a Dial, `asked_at` is null only while there is proof that the carrier holds nothing of
    it, and it is committed before the carrier is asked.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="messages")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="messages")
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.SET_NULL, null=True, related_name="messages"
    )
    request_id = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64, blank=True)
    client_address = models.GenericIPAddressField(null=True)
    mode = models.CharField(max_length=4, choices=Mode)
    carrier = models.CharField(max_length=40)

    status = models.CharField(max_length=9, choices=MessageStatus, default=MessageStatus.QUEUED)
    reason = models.CharField(max_length=60, blank=True)
    from_number = models.CharField(max_length=16)
    to_number = models.CharField(max_length=16)
    text = models.TextField()
    segments = models.PositiveSmallIntegerField()
    params = models.JSONField(null=True)
    missing_params = models.JSONField(default=list)

    price_per_segment = models.DecimalField(max_digits=10, decimal_places=4)
    reserved = models.DecimalField(max_digits=14, decimal_places=4, default=Decimal(0))
    cost = models.DecimalField(max_digits=14, decimal_places=4, null=True)

    carrier_id = models.CharField(max_length=100, blank=True)
    asks = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    # When a worker looks at it next; null once nothing more is expected of its carrier.
    due_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)

    events_published = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=[MessageStatus.DELIVERED, MessageStatus.FAILED],
                    ended_at__isnull=False,
                )
                | (
                    ~Q(status__in=[MessageStatus.DELIVERED, MessageStatus.FAILED])
                    & Q(ended_at__isnull=True)
                ),
                name="message_ended_exactly_when_terminal",
            ),
        ]
        indexes = [
            models.Index(F("account"), F("created_at").desc(), F("id").desc(), name="msg_account"),
            models.Index(F("to_number"), F("created_at").desc(), F("id").desc(), name="msg_to"),
            models.Index(F("status"), F("created_at").desc(), F("id").desc(), name="msg_status"),
            models.Index(F("created_at").desc(), F("id").desc(), name="msg_created"),
            models.Index(fields=["due_at"], condition=Q(ended_at__isnull=True), name="msg_due"),
            models.Index(
                fields=["carrier", "account", "due_at", "id"],
                condition=Q(ended_at__isnull=True, due_at__isnull=False),
                name="msg_lane",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.to_number} {self.status}"

    @property
    def native_id(self) -> str:
        return native_id("sms", self.id)

    @property
    def delivered_at(self) -> datetime | None:
        return self.ended_at if self.status == MessageStatus.DELIVERED else None

    @property
    def is_terminal(self) -> bool:
        return self.status in MESSAGE_ENDS
