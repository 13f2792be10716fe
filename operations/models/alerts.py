"""What the operator is told of: rules, the incidents that they found, and the notices sent."""

from datetime import timedelta
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from agents.models import Account
from core.ids import native_id, new_id

LONGEST_HOLD = 1440


class AlertRule(models.Model):
    """When the operator is told of one kind of trouble. operations.alerts says what each kind is,
    and makes its row."""

    kind = models.CharField(max_length=30, primary_key=True, editable=False)
    is_on = models.BooleanField("on", default=True)
    # Null where there is nothing to compare with: a webhook is disabled, or it is not.
    threshold = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, validators=[MinValueValidator(0)]
    )
    holds_for = models.PositiveSmallIntegerField(
        "minutes",
        default=0,
        validators=[MaxValueValidator(LONGEST_HOLD)],
        help_text="How long it has to last before anybody is told, and to be gone before it is "
        "over. 0: at once.",
    )

    class Meta:
        ordering = ["kind"]
        verbose_name = "alert rule"

    def __str__(self) -> str:
        return self.kind.replace("_", " ").capitalize().replace("Api", "API")

    @property
    def hold(self) -> timedelta:
        return timedelta(minutes=self.holds_for)


class IncidentQuerySet(models.QuerySet["Incident"]):
    def standing(self) -> Self:
        """Those that are not over, the ones that have not lasted long enough included."""
        return self.filter(resolved_at=None)

    def opened(self) -> Self:
        return self.filter(opened_at__isnull=False)

    def open(self) -> Self:
        return self.opened().standing()


class Incident(models.Model):
    """A trouble that a rule found, from its first sight to its end."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="incidents")
    # What it is about: an id, a carrier's name, or nothing where there is only one of its kind.
    subject = models.CharField(max_length=100, blank=True)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        related_name="incidents",
        help_text="Null: it concerns the whole server.",
    )
    title = models.CharField(max_length=200)
    text = models.TextField()
    link = models.CharField(max_length=300)
    is_urgent = models.BooleanField(default=False)
    seen_at = models.DateTimeField()
    # Null until it has lasted as long as its rule says; only then it counts, and is told.
    opened_at = models.DateTimeField(null=True)
    # Since when it is not found any more.
    gone_since = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"],
                condition=Q(resolved_at=None),
                name="incident_stands_once",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at=None) | Q(opened_at__isnull=False),
                name="incident_opened_before_resolved",
            ),
        ]
        indexes = [models.Index(F("opened_at").desc(), F("id").desc(), name="incident_opened")]

    def __str__(self) -> str:
        return self.title

    @property
    def native_id(self) -> str:
        return native_id("inc", self.id)

    @property
    def is_over(self) -> bool:
        return self.resolved_at is not None

    @property
    def lasted(self) -> timedelta | None:
        if self.opened_at is None or self.resolved_at is None:
            return None
        return self.resolved_at - self.opened_at


class Notice(models.Model):
    """What is told, over one channel: written with the incidents it tells of, sent by workers.

    It is sent at least once, with the same id and the same text each time. While one sends it,
    `next_attempt_at` is the end of the lease.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    class Tells(models.TextChoices):
        OPENED = "opened"
        RESOLVED = "resolved", "Over"
        TEST = "test"

    class Status(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channel = models.CharField(max_length=7, choices=Channel)
    tells = models.CharField(max_length=8, choices=Tells)
    incidents = models.ManyToManyField(Incident, related_name="notices")
    # Addresses, or the webhook's host: the rest of its URL may be a secret.
    recipient = models.TextField()
    headline = models.CharField(max_length=250)
    body = models.TextField()
    status = models.CharField(max_length=7, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    failure = models.CharField(max_length=40, blank=True, help_text="Of the last attempt.")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="pending", next_attempt_at__isnull=False)
                | (~Q(status="pending") & Q(next_attempt_at=None)),
                name="notice_pending_has_its_time",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(status="pending"), name="notice_due"
            ),
            models.Index(F("created_at").desc(), F("id").desc(), name="notice_created"),
        ]

    def __str__(self) -> str:
        return self.headline
