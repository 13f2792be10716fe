"""Fields of requests that say no where DRF would guess."""

from typing import Any

from rest_framework import serializers


class TextField(serializers.CharField):
    """Text, and nothing else: DRF takes a number for its digits."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)
