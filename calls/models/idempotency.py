"""What a client says twice and means once."""

from django.db import models
from django.db.models import Q

from agents.models import Account, Mode
from calls.models.call import Call
from calls.models.message import Message
from core.ids import new_id


class IdempotencyKey(models.Model):
    """A client's word that two requests are one, and what the first was answered."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    mode = models.CharField(max_length=4, choices=Mode)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    # What it was used for: exactly one of the two.
    call = models.ForeignKey(Call, on_delete=models.CASCADE, null=True)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "mode", "key"], name="idempotency_key_unique"
            ),
            models.CheckConstraint(
                condition=Q(call__isnull=True) ^ Q(message__isnull=True),
                name="idempotency_key_for_one",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return self.key
