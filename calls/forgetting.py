"""A person's data, erased on request. What happened stays: ids, times, outcomes and the ledger."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Replace
from django.utils import timezone

from calls.errors import CallAlreadyEnded
from calls.models import ERASED, TERMINAL, Call, DoNotCall, Erasure, IdempotencyKey, Message
from calls.models.erasure import digest_of
from calls.services import cancel_call
from core.phone import to_e164
from webhooks.erasing import erase_told

# What the rows say of a person, and what is left in its place. A fingerprint is made of the order
# with its number, and there are few enough numbers to try them all.
OF_CALLS: dict[str, Any] = {
    "to_number": ERASED,
    "params": None,
    "metadata": None,
    "missing_params": [],
    "prompt": "",
    "greeting": "",
    "transcript": "",
    "summary": "",
    "recording_url": "",
    "fingerprint": "",
}
OF_MESSAGES: dict[str, Any] = {
    "to_number": ERASED,
    "params": None,
    "missing_params": [],
    "text": "",
    "fingerprint": "",
}
# The same in the bodies of events, native and Zapier's.
TOLD: dict[str, Any] = {
    "toNumber": ERASED,
    "to_number": ERASED,
    "params": {},
    "metadata": None,
    "message": None,
    "transcript": None,
    "summary": None,
    "recordingUrl": None,
    "recording_url": None,
}


class UnderWay(Exception):
    """Something to the number has not ended, and needs it."""


def cancel_all(number: str) -> None:
    """Cancel what waits for the number and have hung up what is under way."""
    for call in Call.objects.filter(to_number=to_e164(number)).exclude(status__in=TERMINAL):
        try:
            cancel_call(call)
        except CallAlreadyEnded:
            continue


def forget(number: str, *, actor: str) -> Erasure:
    """Erase what is kept of the person with this number, in every account.

    Entries of do-not-call lists stay, without their notes: they are what keeps the person from
    being called again. Raises InvalidNumber, UnderWay while something has not ended, and BeingSent
    while somebody is told of it.
    """
    number = to_e164(number)
    with transaction.atomic():
        calls = Call.objects.filter(to_number=number)
        messages = Message.objects.filter(to_number=number)
        call_ids = _ended(calls, but=calls.exclude(status__in=TERMINAL))
        # One may stay `sent` for good; nothing is expected of its carrier then.
        asked_after = messages.filter(ended_at=None, due_at__isnull=False)
        message_ids = _ended(messages, but=asked_after)
        events = erase_told([*_names(calls), *_names(messages)], fields=TOLD)
        Call.objects.filter(id__in=call_ids).update(**OF_CALLS)
        Message.objects.filter(id__in=message_ids).update(**OF_MESSAGES)
        keys = IdempotencyKey.objects.filter(Q(call__in=call_ids) | Q(message__in=message_ids))
        # It fits no order any more: one that comes again with such a key is refused.
        keys.update(fingerprint="")
        DoNotCall.objects.filter(number=number).update(note="")
        _erase_history(Call, call_ids)
        _erase_history(Message, message_ids)
        _erase_mentions(number)
        return Erasure.objects.create(
            number_digest=digest_of(number),
            actor=actor,
            calls=len(call_ids),
            messages=len(message_ids),
            events=events,
            created_at=timezone.now(),
        )


def _ended(rows: QuerySet[Any], *, but: QuerySet[Any]) -> list[Any]:
    """The ids of the rows, locked. Raises UnderWay where there are `but` some to be carried out."""
    ids = list(rows.select_for_update().values_list("id", flat=True))
    if going_on := but.count():
        raise UnderWay(f"{going_on} of its {rows.model._meta.verbose_name_plural} have not ended")
    return ids


def _names(rows: QuerySet[Any]) -> list[str]:
    """What events call them."""
    return [row.native_id for row in rows.only("id")]


def _erase_history(model: type[Call | Message], ids: Sequence[Any]) -> None:
    """In the admin's history every line says the number of what it is about."""
    kind = ContentType.objects.get_for_model(model)
    lines = LogEntry.objects.filter(content_type=kind, object_id__in=[str(id) for id in ids])
    lines.update(object_repr=ERASED)


def _erase_mentions(number: str) -> None:
    """As who was taken off a do-not-call list."""
    for name in ("object_repr", "change_message"):
        said = LogEntry.objects.filter(**{f"{name}__contains": number})
        said.update(**{name: Replace(F(name), Value(number), Value(ERASED))})
