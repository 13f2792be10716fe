"""How figures read."""

from core.admin import NONE
from operations.figures import COUNTED_TO


def number(count: int) -> str:
    return f"{count:,}"


def at_most(count: int) -> str:
    """`1,204`, or `10,000+` where no more was counted."""
    return f"{COUNTED_TO:,}+" if count > COUNTED_TO else number(count)


def share(part: float | None) -> str:
    """`98.7 %`; never 100 % nor 0 % of what is not all or nothing."""
    if part is None:
        return NONE
    rounded = round(part * 100, 1)
    rounded = min(rounded, 99.9) if part < 1 else rounded
    rounded = max(rounded, 0.1) if part > 0 else rounded
    return f"{rounded:g}\u00a0%"
