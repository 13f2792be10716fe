"""The carriers of the tests about calls."""

from collections.abc import Iterator

import pytest
from django.conf import settings

from calls.carriers import carrier_named
from tests.calls.story import StoryCarrier


@pytest.fixture
def carrier() -> Iterator[StoryCarrier]:
    settings.CARRIERS["story"] = "tests.calls.story.StoryCarrier"
    carrier = carrier_named("story")
    assert isinstance(carrier, StoryCarrier)
    carrier.__init__()  # type: ignore[misc] # one instance a process: start its story afresh
    yield carrier
    del settings.CARRIERS["story"]
