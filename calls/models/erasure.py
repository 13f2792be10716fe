"""That a person's data was erased: all that is left of it."""

from django.conf import settings
from django.db import models
from django.utils.crypto import salted_hmac

from core.ids import new_id

# What a number reads as once it is erased.
ERASED = "erased"


class Erasure(models.Model):
    """Who erased the data of a number, when, and how much of it there was."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Whoever asks about a number can be answered; nobody reads one from it without SECRET_KEY.
    number_digest = models.CharField(max_length=64)
    actor = models.CharField(max_length=150)
    calls = models.PositiveIntegerField()
    messages = models.PositiveIntegerField()
    events = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.created_at} {self.actor}"


def digest_of(number: str, *, secret: str | None = None) -> str:
    """Keyed with SECRET_KEY, where it is not another `secret`."""
    keyed = salted_hmac("calls.erasure", number, secret=secret, algorithm="sha256")
    return keyed.hexdigest()


def digests_of(number: str) -> list[str]:
    """What `digest_of` makes of it, or made while SECRET_KEY was one of SECRET_KEY_FALLBACKS."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [digest_of(number, secret=key) for key in keys]
