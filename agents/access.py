"""Which accounts an operator sees and works for."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction

from agents.models import Account, OperatorAccess


def accounts_of(user: AbstractBaseUser | AnonymousUser) -> list[UUID] | None:
    """The ids of the user's accounts; None where they are every one, as a superuser's are.

    Nobody has any unless somebody gave them.
    """
    if not isinstance(user, User):
        return []
    if user.is_superuser:
        return None
    ids = list(OperatorAccess.objects.filter(user=user).values_list("account", flat=True))
    given = [account_id for account_id in ids if account_id is not None]
    return None if len(given) < len(ids) else given


@transaction.atomic
def set_accounts(user: User, accounts: Iterable[Account] | None) -> None:
    """From now on the user sees just these; None: every account, those opened later too."""
    OperatorAccess.objects.filter(user=user).delete()
    given: Iterable[Account | None] = [None] if accounts is None else accounts
    OperatorAccess.objects.bulk_create(
        OperatorAccess(user=user, account=account) for account in given
    )
