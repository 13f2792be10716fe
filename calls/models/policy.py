"""Whom an account may call, and when."""

from django.db import models

from agents.models import Account, OfAccount
from core.ids import new_id


class DoNotCallQuerySet(OfAccount["DoNotCall"]):
    pass


class DoNotCall(models.Model):
    """A number that the account must not call, nor send messages to."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="do_not_call")
    number = models.CharField(max_length=16)
    note = models.CharField(max_length=200, blank=True, help_text="Why, and who asked for it.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DoNotCallQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name = "do-not-call number"
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="do_not_call_unique")
        ]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="do_not_call_account")
        ]

    def __str__(self) -> str:
        return self.number


class CallingRules(models.Model):
    """What an account holds itself to. Every rule is off until it is set."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="calling_rules")
    # Seven lists of ["09:00", "20:00"] pairs, Monday first, in the callee's time; null: any hour.
    hours = models.JSONField(null=True, blank=True)
    calls_per_person_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="Dials of one number in one day of its own. Empty: any."
    )
    # ISO 3166-1 alpha-2; null: every country.
    countries = models.JSONField(null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "calling rules"

    def __str__(self) -> str:
        return f"Calling rules of {self.account}"
