"""What a carrier wants to see before it lets an account dial."""

import json
from collections.abc import Mapping

from django.db import models

from agents.models import Account
from core import secrets


class CarrierCredentials(models.Model):
    """An account's own access to a carrier, encrypted; without it the settings' is used."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="credentials")
    carrier = models.CharField(max_length=40)
    encrypted = models.TextField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["carrier"]
        verbose_name = verbose_name_plural = "carrier credentials"
        constraints = [
            models.UniqueConstraint(fields=["account", "carrier"], name="credentials_unique")
        ]

    def __str__(self) -> str:
        return f"{self.carrier} of {self.account}"

    @property
    def values(self) -> dict[str, str]:
        """By the names of the carrier's credential fields. Raises InvalidToken when none of
        ENCRYPTION_KEYS opens them."""
        values: dict[str, str] = json.loads(secrets.decrypt(self.encrypted))
        return values

    def keep(self, values: Mapping[str, str]) -> None:
        """Encrypt `values` into the row, which is not saved yet."""
        self.encrypted = secrets.encrypt(json.dumps(dict(values)))
