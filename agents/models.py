"""Who may call: accounts with their credits, the keys of programs, and the agents that speak."""

from datetime import datetime
from decimal import Decimal
from typing import Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from agents.scopes import all_scopes
from agents.second_factor import RecoveryCode as RecoveryCode
from agents.second_factor import SecondFactor as SecondFactor
from core.ids import native_id, new_id


class Mode(models.TextChoices):
    """Live calls reach the agent's carrier; test calls are simulated and cost nothing."""

    LIVE = "live"
    TEST = "test"


class Account(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    credits = models.DecimalField(
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="What can still be spent. Empty means unlimited.",
    )
    reserved = models.DecimalField(
        max_digits=14,
        decimal_places=4,
        default=Decimal(0),
        editable=False,
        help_text="Set aside for calls and messages that have not ended.",
    )
    max_concurrent_calls = models.PositiveIntegerField(
        default=30, help_text="Calls under way at once; more of them wait in the queue."
    )
    calls_per_second = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many may start in one second. Empty: no limit."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(credits__gte=0), name="account_credits_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(reserved__gte=0), name="account_reserved_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.name


Row = TypeVar("Row", bound=models.Model, covariant=True)


class OfAccount(models.QuerySet[Row]):
    """Rows that belong to one account; everything a client sees goes through here."""

    def for_account(self, account: Account) -> Self:
        return self.filter(account=account)


class LedgerEntry(models.Model):
    """One movement of credits. What the entries of an account add up to: agents.credits."""

    class Kind(models.TextChoices):
        TOP_UP = "top_up"
        RESERVE = "reserve"
        RELEASE = "release"
        CHARGE = "charge"
        CORRECTION = "correction"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=10, choices=Kind)
    credits = models.DecimalField(max_digits=14, decimal_places=4)
    reserved = models.DecimalField(max_digits=14, decimal_places=4, default=Decimal(0))
    # The call or message it is about. They stand above agents, so this is no foreign key.
    subject_id = models.UUIDField(null=True, blank=True)
    # Its model, as `calls.call`.
    subject_type = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=150, blank=True, help_text="The operator who did it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(
                fields=["subject_id", "kind"],
                condition=Q(subject_id__isnull=False),
                name="ledger_once_per_subject_and_kind",
            )
        ]
        indexes = [models.Index(fields=["account", "-id"], name="ledger_account")]

    def __str__(self) -> str:
        return f"{self.kind} {self.credits}"


class Price(models.Model):
    """What a minute of a call and a segment of a message cost to numbers that begin alike.

    The longest prefix counts, an account's own before everybody's; the settings' where none fits.
    """

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="prices",
        help_text="Empty: for every account that has none of its own.",
    )
    prefix = models.CharField(
        max_length=16, help_text="The start of the numbers it is for, as +44 or +1415."
    )
    per_minute = models.DecimalField(
        max_digits=10, decimal_places=4, help_text="Credits for a started minute of a call."
    )
    per_segment = models.DecimalField(
        max_digits=10, decimal_places=4, help_text="Credits for a segment of a message."
    )

    class Meta:
        ordering = ["prefix"]
        constraints = [
            models.UniqueConstraint(fields=["account", "prefix"], name="price_of_account_unique"),
            models.UniqueConstraint(
                fields=["prefix"], condition=Q(account=None), name="price_of_everybody_unique"
            ),
            models.CheckConstraint(
                condition=Q(per_minute__gte=0, per_segment__gte=0), name="price_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.prefix


class CallerId(models.Model):
    """A number that the account may show to those it calls, beside its agents' own."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="caller_ids")
    number = models.CharField(max_length=16)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        verbose_name = "caller id"
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="caller_id_unique")
        ]

    def __str__(self) -> str:
        return self.number


class ApiKeyQuerySet(OfAccount["ApiKey"]):
    def usable(self, *, now: datetime) -> Self:
        """Neither revoked nor expired."""
        return self.filter(revoked_at=None).exclude(expires_at__lte=now)


class ApiKey(models.Model):
    """A program's key, stored as its hash; the key itself is shown once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, help_text="Where it is used, e.g. 'CRM, production'.")
    mode = models.CharField(max_length=4, choices=Mode, default=Mode.LIVE)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=40, editable=False, help_text="Start and end of the key.")
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: 60 for a live key, 600 for a test key."
    )
    scopes = models.JSONField(default=all_scopes, help_text="What it may be used for.")
    allowed_ranges = models.JSONField(
        default=list, blank=True, help_text="CIDRs it may be used from. Empty: from anywhere."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The key that this one was made for, by rotating it; that one ends after their overlap.
    replaces = models.OneToOneField(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="successor",
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "API key"
        indexes = [models.Index(fields=["account", "-created_at"], name="apikey_account")]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"


class KeyHabit(models.Model):
    """How a key is used on its other days, as agents.unusual learns it."""

    api_key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, related_name="habit")
    since = models.DateTimeField()
    # The newest hour, and its requests so far.
    hour = models.DateTimeField()
    requests = models.PositiveIntegerField(default=0)
    # By day, as 2026-11-22: the requests of its busiest hour.
    peaks = models.JSONField(default=dict)
    # By /24 or /48: the day it was last seen.
    sites = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"habit of {self.api_key_id}"


class UnusualUseQuerySet(models.QuerySet["UnusualUse"]):
    def open(self) -> Self:
        """Those that no operator has dismissed."""
        return self.filter(dismissed_at=None)


class UnusualUse(models.Model):
    """That a key was used in a way which is not like it: for an operator to look at."""

    class Kind(models.TextChoices):
        NEW_RANGE = "new_range", "New addresses"
        VOLUME = "volume", "Far more requests"

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="unusual_uses")
    kind = models.CharField(max_length=9, choices=Kind)
    detail = models.TextField(help_text="A line each time.")
    times = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(auto_now_add=True)
    last_at = models.DateTimeField()
    dismissed_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.CharField(max_length=150, blank=True)

    objects = UnusualUseQuerySet.as_manager()

    class Meta:
        ordering = ["-last_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["api_key", "kind"],
                condition=Q(dismissed_at=None),
                name="unusual_use_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.api_key_id}"

    @property
    def lines(self) -> list[str]:
        return self.detail.split("\n")


class AgentQuerySet(OfAccount["Agent"]):
    def enabled(self) -> Self:
        return self.filter(disabled_at=None)


class Agent(models.Model):
    """A voice agent: what it says, from which number, over which carrier."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="agents")
    name = models.CharField(max_length=100)
    secret_digest = models.CharField(max_length=64, editable=False)
    default_number = models.CharField(
        max_length=16,
        null=True,
        blank=True,
        help_text="The caller id when a call names none, as +14155550100.",
    )
    prompt = models.TextField(
        blank=True, help_text="What the agent is told. {{name}} is replaced by the call's params."
    )
    greeting = models.TextField(
        blank=True, help_text="What the agent says first. {{name}} works here too."
    )
    language = models.CharField(max_length=35, default="en-US")
    voice = models.CharField(max_length=100, blank=True)
    carrier = models.CharField(max_length=40, default="simulated")
    voice_url = models.CharField(
        max_length=2_000,
        blank=True,
        help_text="Where the carrier connects an answered call to, as wss://voice.example.org/calls.",
    )
    ring_timeout = models.PositiveIntegerField(default=30, help_text="Seconds, 5 to 300.")
    max_duration = models.PositiveIntegerField(default=600, help_text="Seconds, 10 to 14400.")
    # When a call that nobody answered is tried again, as agents.retries reads it; null: never.
    retry = models.JSONField(null=True, blank=True)
    max_concurrent_calls = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls under way at once. Empty: as its account may."
    )
    calls_per_second = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many may start in one second. Empty: no limit."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AgentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="agent_account_created")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ring_timeout__gte=5, ring_timeout__lte=300), name="agent_ring_timeout"
            ),
            models.CheckConstraint(
                condition=Q(max_duration__gte=10, max_duration__lte=14400),
                name="agent_max_duration",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def native_id(self) -> str:
        return native_id("agent", self.id)

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None


class OperatorAccess(models.Model):
    """An account that a user of the admin sees; a row without one stands for every account."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="account_access"
    )
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, null=True, related_name="operators"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "account"], name="operator_access_once"),
            models.UniqueConstraint(
                fields=["user"], condition=Q(account=None), name="operator_access_to_all_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.account or 'every account'}"
