"""The operators' pages that need the figures."""

from operations.key_admin import UsedKeyAdmin as UsedKeyAdmin
