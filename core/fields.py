"""Fields of requests that say no where DRF would guess."""

from typing import Any

from rest_framework import serializers


class TextField(serializers.CharField):
    """Text, and nothing else: DRF takes a number for its digits. As it was sent it must fit, and
    not only once its ends are trimmed."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)
