"""The carriers: each places calls its own way behind one small interface."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from calls.carriers.base import Carrier


@cache
def carrier_named(name: str) -> Carrier:
    """The carrier that CARRIERS lists under `name`; one instance a process, used by many threads.

    Raises KeyError for a name that is not listed.
    """
    carrier: Carrier = import_string(settings.CARRIERS[name])()
    return carrier
