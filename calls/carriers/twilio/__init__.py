"""Twilio: calls and messages over its REST API, heard of by signed status callbacks."""

from calls.carriers.twilio.carrier import TwilioCarrier

__all__ = ["TwilioCarrier"]
