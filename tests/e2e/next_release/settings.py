"""The product's settings, with migrations that it does not have yet."""

from config.settings import *  # noqa: F403

MIGRATION_MODULES = {"calls": "tests.e2e.next_release.calls"}
