"""What the operator watches: figures added up by span of time, so that no history is read."""

from typing import Self

from django.db import models
from django.db.models import Q

from agents.models import Account, ApiKey
from operations.spans import Span


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
        indexes = [models.Index(fields=["api_key", "span", "at"], name="api_usage_key")]

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
