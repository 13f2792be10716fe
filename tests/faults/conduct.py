"""How a carrier treats one dial: as the seed and the number say, whenever it is asked."""

import random
from dataclasses import dataclass

# Seconds after it was taken, and what happens then, in the words of the dialer's protocol.
Story = tuple[tuple[float, str], ...]

# What becomes of the order itself, and how often.
TAKES = {
    "takes": 70,
    "takes_slowly": 8,  # within the product's patience
    "takes_late": 3,  # after it
    "takes_and_cuts": 6,  # taken, and the answer is lost
    "takes_and_fails": 4,  # taken, and the answer is a 500
    "cuts": 2,  # lost without a trace
    "fails": 2,  # a 503, and nothing was taken
    "is_busy": 3,  # a 429 or two, then taken
    "refuses": 2,  # a 422
}
# What it says of the dial by itself, and when it is asked.
TELLS = {
    "tells": 60,
    "tells_twice": 10,
    "tells_backwards": 10,
    "tells_when_asked": 10,
    "tells_nothing": 2,
    "forgets_the_end": 3,
}
ENDS = {"completed": 60, "no_answer": 14, "busy": 12, "failed": 7, "voicemail": 7}
# What takes the product its deadlines to find out: too long for a run of seconds.
PATIENT = ("takes_late", "cuts", "fails", "tells_when_asked", "tells_nothing", "forgets_the_end")


@dataclass(frozen=True)
class Conduct:
    take: str
    tell: str
    story: Story
    # Seconds before the order is answered, where that is slow; 429s before it is taken.
    delay: float
    refusals: int

    @property
    def is_plain(self) -> bool:
        """Whether the product hears of all that happens, and before it gives the dial up."""
        is_told = self.tell not in ("tells_nothing", "forgets_the_end")
        return is_told and self.take != "takes_late"


def conduct_of(number: str, *, nth: int, seed: int, is_quick: bool) -> Conduct:
    """The carrier's conduct towards the `nth` dial of `number`."""
    dice = random.Random(f"{seed} {number} {nth}")
    take, tell = _pick(dice, TAKES, is_quick=is_quick), _pick(dice, TELLS, is_quick=is_quick)
    delay = {"takes_slowly": dice.uniform(1, 5), "takes_late": dice.uniform(10.5, 30)}
    return Conduct(
        take=take,
        tell=tell,
        story=_story(dice, is_quick=is_quick),
        delay=delay.get(take, 0.0),
        refusals=dice.randint(1, 3) if take == "is_busy" else 0,
    )


def _pick(dice: random.Random, weights: dict[str, int], *, is_quick: bool) -> str:
    open_ = {
        name: weight for name, weight in weights.items() if not is_quick or name not in PATIENT
    }
    return dice.choices(list(open_), list(open_.values()))[0]


def _story(dice: random.Random, *, is_quick: bool) -> Story:
    end = dice.choices(list(ENDS), list(ENDS.values()))[0]
    rings = dice.uniform(0.1, 0.6)
    answers = rings + dice.uniform(0.2, 1.5)
    if end not in ("completed", "voicemail"):
        return ((rings, "ringing"), (answers, end))
    # Some talk into their second minute, so that what they cost differs.
    talks = 63 if not is_quick and dice.random() < 0.01 else dice.uniform(0.3, 3)
    return ((rings, "ringing"), (answers, "answered"), (answers + talks, end))
