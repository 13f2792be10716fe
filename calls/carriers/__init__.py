"""The carriers: each places calls its own way behind one small interface."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from calls.carriers.base import Carrier, CarrierError


@cache
def carrier_named(name: str) -> Carrier:
    """The carrier that CARRIERS lists under `name`; one instance a process, used by many threads.

    Raises CarrierError for a name that is not listed, or is no more.
    """
    if name not in settings.CARRIERS:
        raise CarrierError("No such carrier", permanent=True, reason="carrier_removed")
    carrier: Carrier = import_string(settings.CARRIERS[name])()
    return carrier
