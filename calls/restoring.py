"""After a backup was restored: nobody is rung or written to again for what happened since.

What the backup holds as waiting may long have been dialled or sent. Nothing here can know, so
nothing of it is asked of a carrier. What a carrier had been asked for by then is safe: it is looked
at and never asked for again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from calls import lifecycle, message_lifecycle
from calls.models import ACTIVE, WAITING, Call, CallQuerySet, Dial, DialQuerySet, Message


@dataclass(frozen=True)
class Doubtful:
    """What may have been carried out since the backup, and would be again."""

    waiting: CallQuerySet
    to_ask_again: DialQuerySet
    to_retry: CallQuerySet
    messages: list[UUID]

    @property
    def calls(self) -> int:
        return self.waiting.count() + self.to_ask_again.count()


def doubtful(*, stopped_at: datetime | None) -> Doubtful:
    """`stopped_at`: when the server that the backup is of did its last work. What comes due later
    was not carried out; None: there is no telling."""
    waiting = Call.objects.filter(status__in=WAITING)
    messages = Message.objects.filter(asked_at=None, ended_at=None)
    return Doubtful(
        waiting=waiting.filter(due_at__lte=stopped_at) if stopped_at else waiting,
        to_ask_again=Dial.objects.filter(asked_at=None, ended_at=None),
        to_retry=Call.objects.filter(status__in=ACTIVE).exclude(retry=None),
        messages=list(messages.values_list("id", flat=True)),
    )


def cancel(doubtful: Doubtful, *, now: datetime) -> None:
    """End what waits, with its events and its credits back; what is under way gets no further try.

    Only while no worker runs.
    """
    for dial_id in doubtful.to_ask_again.values_list("id", flat=True):
        lifecycle.cancel_unasked(dial_id, reason="restored", now=now)
    lifecycle.end_each(_ids(doubtful.waiting), reason="restored", now=now)
    for call in doubtful.to_retry:
        _drop_retries(call, now=now)
    for message_id in doubtful.messages:
        message_lifecycle.give_up_unasked(message_id, reason="restored", now=now)


def _ids(calls: CallQuerySet) -> Iterable[UUID]:
    return calls.order_by("id").values_list("id", flat=True)


@transaction.atomic
def _drop_retries(call: Call, *, now: datetime) -> None:
    Call.objects.filter(id=call.id).update(retry=None)
    lifecycle.note(call, type="retries_dropped", at=now, detail={"reason": "restored"})
