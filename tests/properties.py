"""How properties are tried: a few examples, always the same in one version.

For a longer run with other examples, which also looks for the smallest that fails:
`PROPERTY_EXAMPLES=2000 .venv/bin/python -m pytest --timeout 3600 tests/core/test_phone.py`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

LONG_RUN = os.environ.get("PROPERTY_EXAMPLES")

# Halves of surrogate pairs and NUL too.
ANY_CHARACTER = st.characters()
ANY_TEXT = st.text(ANY_CHARACTER, max_size=60)
# What every database keeps.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


def tried(examples: int) -> settings:
    return settings(
        max_examples=int(LONG_RUN or examples),
        derandomize=not LONG_RUN,
        deadline=None,
        # Where each example asks the server, looking for the smallest outlasts a test's time.
        phases=list(Phase) if LONG_RUN else [Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@contextmanager
def undone() -> Iterator[None]:
    """No example sees the rows of another."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def json_of(
    text: st.SearchStrategy[str], numbers: st.SearchStrategy[float]
) -> st.SearchStrategy[object]:
    """Any JSON value of such texts and numbers."""
    return st.recursive(
        st.none() | st.booleans() | numbers | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=8,
    )


# Python writes no longer ones.
HUGE = st.integers(0, 4_299).map(lambda digits: 10**digits)
ANY_NUMBER = st.integers() | st.floats() | HUGE
ANY_JSON = json_of(st.text(ANY_CHARACTER, max_size=20), ANY_NUMBER)
KEPT_NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
KEPT_JSON = json_of(TEXT, KEPT_NUMBER)
