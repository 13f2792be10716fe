"""What a key may be used for. Every view of the API names its scope, method by method."""

from collections.abc import Mapping

from django.db import models

from agents.errors import ScopeMissing


class Scope(models.TextChoices):
    """The label says what it opens, for the operator who chooses."""

    CALLS_WRITE = "calls:write", "place and cancel calls; change agents and the do-not-call list"
    CALLS_READ = "calls:read", "read calls, agents, the do-not-call list and usage"
    WEBHOOKS = "webhooks", "manage webhooks; read and resend their deliveries"
    SMS = "sms", "send and read text messages"
    ZAPIER = "zapier", "everything that Zapier does, placing calls included"


# Of a method that any key may use.
ANY_KEY = None

# By method in capitals.
Scopes = Mapping[str, Scope | None]


def all_scopes() -> list[str]:
    return list(Scope.values)


def check_scope(needed: Scope | None, *, given: list[str]) -> None:
    """Raise ScopeMissing where a key with the scopes `given` may not do what needs `needed`."""
    if needed is not ANY_KEY and needed not in given:
        raise ScopeMissing(needed)
