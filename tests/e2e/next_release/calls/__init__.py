"""The migrations of calls, and those to come."""

import calls.migrations

__path__ = [*__path__, *calls.migrations.__path__]
