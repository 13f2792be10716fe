"""The carriers: each places calls its own way behind one small interface."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from calls.carriers.base import Carrier, CarrierError


@cache
def carrier_named(name: str) -> Carrier:
    """The carrier that CARRIERS lists under `name`; one instance a process, used by many threads.

    Raises KeyError for a name that is not listed.
    """
    carrier: Carrier = import_string(settings.CARRIERS[name])()
    return carrier


def carrier_to_ask(name: str) -> Carrier:
    """As `carrier_named`. Raises CarrierError for one that was taken out of the settings since."""
    try:
        return carrier_named(name)
    except KeyError:
        raise CarrierError("No such carrier", permanent=True, reason="carrier_removed") from None
