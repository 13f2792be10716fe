"""What three hundred times the history costs where there are nothing but calls.

Of three million calls their lists, claims and pages, as `bench.growth` asks for them of a million
with all that was told of these.
"""

from bench.growth import ONLY_CALLS, SMALL, loaded, ratios_of
from bench.rounds import IS_QUICK, Figures

HUGE = 100_000 if IS_QUICK else 3_000_000


def measure() -> Figures:
    with loaded(SMALL, HUGE, ONLY_CALLS) as urls:
        ratios = ratios_of(urls, ONLY_CALLS)
    worst = max(ratios.values())
    named = {f"growth of calls, {name}": ratio for name, ratio in ratios.items()}
    return {"growth_of_calls_worst": worst, **named}
