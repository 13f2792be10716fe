"""`Idempotency-Key`: a client's word that two requests are one, whatever they ask for."""

from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from calls.errors import IdempotencyConflict
from calls.models import IdempotencyKey

KEPT = timedelta(hours=24)
# Rows that one transaction deletes.
BATCH = 1_000


def claim_key(
    key: str,
    *,
    account_id: UUID,
    mode: str,
    fingerprint: str,
    call_id: UUID | None = None,
    message_id: UUID | None = None,
) -> IdempotencyKey | None:
    """Take `key` for the call or message about to be made; its row if it is taken by an equal one.

    Keys are an account's and a mode's. `fingerprint` is equal exactly for equal requests. Raises
    IdempotencyConflict where the key stands for another request. To be called in the transaction
    that makes the call or message: where two race, the insert of one waits for the other's end.
    """
    now = timezone.now()
    owner = {"account_id": account_id, "mode": mode, "key": key}
    IdempotencyKey.objects.filter(**owner, created_at__lt=now - KEPT).delete()
    mine = IdempotencyKey(
        **owner,
        fingerprint=fingerprint,
        call_id=call_id,
        message_id=message_id,
        created_at=now,
    )
    IdempotencyKey.objects.bulk_create([mine], ignore_conflicts=True)
    stored = IdempotencyKey.objects.select_related("call", "message").get(**owner)
    if stored.id == mine.id:
        return None
    is_same_kind = bool(stored.call_id) == bool(call_id)
    if stored.fingerprint != fingerprint or not is_same_kind:
        raise IdempotencyConflict
    return stored


def forget_idempotency_keys(*, now: datetime) -> int:
    """Delete the keys that have been kept long enough, some at a time; how many there were."""
    forgotten = 0
    old = IdempotencyKey.objects.filter(created_at__lt=now - KEPT).order_by("created_at")
    while ids := list(old.values_list("id", flat=True)[:BATCH]):
        forgotten += IdempotencyKey.objects.filter(id__in=ids).delete()[0]
    return forgotten
