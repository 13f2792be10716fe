"""Use cases about the numbers that an account must not call."""

from agents.models import Account
from calls.errors import NumberNotFound
from calls.models import DoNotCall
from core.errors import InvalidNumber
from core.phone import to_e164


def list_number(account: Account, *, number: str, note: str = "") -> tuple[DoNotCall, bool]:
    """The row of `number`, and whether it is new; one that is there stays as it is.

    Raises InvalidNumber for what is not written with + and country code.
    """
    defaults = {"note": note}
    return DoNotCall.objects.get_or_create(
        account=account, number=to_e164(number), defaults=defaults
    )


def find_number(account: Account, number: str) -> DoNotCall:
    """The account's row of `number`, with or without its +. Raises NumberNotFound."""
    try:
        e164 = to_e164(f"+{number.strip().removeprefix('+')}")
    except InvalidNumber:
        raise NumberNotFound from None
    row = DoNotCall.objects.for_account(account).filter(number=e164).first()
    if not row:
        raise NumberNotFound
    return row
