"""`reencrypt`: every stored secret under the newest of ENCRYPTION_KEYS, so that others can go."""

from collections.abc import Iterator
from typing import Any

from cryptography.fernet import InvalidToken
from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from core import secrets


class Command(BaseCommand):
    help = "Encrypt every stored secret with the first of ENCRYPTION_KEYS; safe beside the server."

    def handle(self, *args: Any, **options: Any) -> None:
        renewed = 0
        # What is rotated meanwhile can take an old token to where we have looked already.
        while found := _renew_all():
            renewed += found
        self.stdout.write(
            f"{renewed} secrets are encrypted anew, and all are under the first of "
            "ENCRYPTION_KEYS: the others can be dropped."
        )


def _renew_all() -> int:
    renewed, unreadable = 0, []
    for model, column, key, token in _stored():
        try:
            renewed += _renew(model, column, key, token)
        except InvalidToken:
            unreadable.append(f"{model._meta.verbose_name} {key}")
    if unreadable:
        raise CommandError(
            "None of ENCRYPTION_KEYS opens these; the others are encrypted anew: "
            + ", ".join(unreadable)
        )
    return renewed


def _stored() -> Iterator[tuple[type[Model], str, Any, str]]:
    """Whatever is encrypted is in a column whose name begins so."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if not field.name.startswith("encrypted"):
                continue
            rows = model._default_manager.exclude(**{field.name: ""}).order_by("pk")
            for key, token in rows.values_list("pk", field.name).iterator(chunk_size=1_000):
                yield model, field.name, key, token


def _renew(model: type[Model], column: str, key: Any, token: str) -> bool:
    renewed = secrets.renewed(token)
    if renewed is None:
        return False
    # Not over what was written meanwhile: the next round looks at that.
    model._default_manager.filter(pk=key, **{column: token}).update(**{column: renewed})
    return True
