"""The operator's own voice engine: signed orders out, signed reports back."""

from calls.carriers.dialer.carrier import DialerCarrier

__all__ = ["DialerCarrier"]
