"""Figures added up by span of time, so that no history is read."""

from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import Q

from agents.models import Account, Agent, ApiKey, Mode
from operations.spans import Slot, Span
from webhooks.models import Subscription


class Rollup(models.Model):
    """Counts of what happened in one span. Rows of it are only ever added to."""

    span = models.PositiveIntegerField(choices=Span)
    at = models.DateTimeField(help_text="When the span began.")

    class Meta:
        abstract = True


class ApiUsageQuerySet(models.QuerySet["ApiUsage"]):
    def for_account(self, account: Account) -> Self:
        return self.filter(api_key__account=account)


class ApiUsage(Rollup):
    """Requests to the API, by key, surface and how long they took: a bucket of core.histogram."""

    # Counted in memory first: by the time it is written the key may be gone.
    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.CASCADE,
        null=True,
        related_name="usage",
        db_constraint=False,
        db_index=False,
        help_text="Null: no key was recognised.",
    )
    surface = models.CharField(max_length=6)
    took = models.PositiveSmallIntegerField()
    requests = models.PositiveIntegerField(default=0)
    client_errors = models.PositiveIntegerField(default=0, help_text="4xx but 429.")
    server_errors = models.PositiveIntegerField(default=0)
    limit_hits = models.PositiveIntegerField(default=0)

    objects = ApiUsageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["span", "at", "api_key", "surface", "took"],
                condition=Q(api_key__isnull=False),
                name="api_usage_of_key",
            ),
            models.UniqueConstraint(
                fields=["span", "at", "surface", "took"],
                condition=Q(api_key__isnull=True),
                name="api_usage_of_nobody",
            ),
        ]
        indexes = [
            models.Index(fields=["api_key", "span", "at"], name="api_usage_key"),
            # Everybody's: the constraints' indexes are partial, so this question cannot use them.
            models.Index(fields=["span", "at"], name="api_usage_time"),
        ]

    def __str__(self) -> str:
        return f"{self.at} {self.requests}"


class ApiAddress(models.Model):
    """An address that requests came from in an hour; of each key's, a bounded number is kept."""

    at = models.DateTimeField(help_text="When the hour began.")
    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.CASCADE,
        null=True,
        related_name="addresses",
        db_constraint=False,
        db_index=False,
        help_text="Null: no key was recognised.",
    )
    address = models.GenericIPAddressField()
    requests = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "API addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["at", "api_key", "address"],
                condition=Q(api_key__isnull=False),
                name="api_address_of_key",
            ),
            models.UniqueConstraint(
                fields=["at", "address"],
                condition=Q(api_key__isnull=True),
                name="api_address_of_nobody",
            ),
        ]
        indexes = [models.Index(fields=["api_key", "at"], name="api_address_key")]

    def __str__(self) -> str:
        return f"{self.address} {self.requests}"


class CallRollup(Rollup):
    """Calls that ended in the span."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False, related_name="+")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, db_index=False, related_name="+")
    carrier = models.CharField(max_length=40)
    mode = models.CharField(max_length=4, choices=Mode)
    outcome = models.CharField(max_length=11)
    reason = models.CharField(max_length=60, help_text="`other` where it is no name of ours.")
    calls = models.PositiveIntegerField(default=0)
    talk_seconds = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(max_digits=16, decimal_places=4, default=Decimal(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["span", "at", "account", "agent", "carrier", "mode", "outcome", "reason"],
                name="call_rollup",
            )
        ]

    def __str__(self) -> str:
        return f"{self.at} {self.outcome} {self.calls}"


class AttemptRollup(Rollup):
    """Attempts to deliver that began in the span, by how long they took."""

    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    took = models.PositiveSmallIntegerField()
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["span", "at", "subscription", "took"], name="attempt_rollup"
            )
        ]
        indexes = [
            models.Index(fields=["subscription", "span", "at"], name="attempt_rollup_webhook")
        ]

    def __str__(self) -> str:
        return f"{self.at} {self.attempts}"


class AccountRollup(models.Model):
    """Of a rollup, what the dashboard's charts show: see operations.by_account.

    Indexes have the account before the time: not much more is kept than a chart looks back.
    """

    slot = models.PositiveIntegerField(choices=Slot)
    at = models.DateTimeField(help_text="When the slot began.")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False, related_name="+")

    class Meta:
        abstract = True


class AccountCallRollup(AccountRollup):
    mode = models.CharField(max_length=4, choices=Mode)
    outcome = models.CharField(max_length=11)
    calls = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=16, decimal_places=4, default=Decimal(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["slot", "account", "at", "mode", "outcome"], name="account_call_rollup"
            )
        ]

    def __str__(self) -> str:
        return f"{self.at} {self.outcome} {self.calls}"


class AccountAttemptRollup(AccountRollup):
    took = models.PositiveSmallIntegerField()
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["slot", "account", "at", "took"], name="account_attempt_rollup"
            )
        ]

    def __str__(self) -> str:
        return f"{self.at} {self.attempts}"


class Watermark(models.Model):
    """Up to which row a rollup has counted. It moves in the transaction that counts."""

    name = models.CharField(max_length=20, primary_key=True)
    counted_to = models.BigIntegerField(default=0)
    # Another number where a version has counted that knew none of the rollups by account.
    by_account_to = models.BigIntegerField(null=True)
    # A rollup may be counted afresh, a tally never: no row adds to it twice.
    tallied_to = models.BigIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} {self.counted_to}"
