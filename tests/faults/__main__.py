"""`make faults`: half an hour of load under faults, and a page on what came of it."""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.plan import plan
from tests.faults.report import page
from tests.faults.run import Options, run

RESULTS = Path(__file__).parent / "RESULTS.md"
# A run as long as this is worth keeping.
KEPT_MINUTES = 30
# The longest that the product may wait for a carrier that it cannot reach, and some.
QUIET_SECONDS = 900


def main() -> int:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="outdial-faults-"))
    print(f"Seed {options.seed}, logs in {folder}", flush=True)  # noqa: T201
    seconds = options.minutes * 60
    done, evidence, found = run(
        folder,
        Options(
            seed=options.seed,
            seconds=seconds,
            rate=options.rate,
            faults=plan(seed=options.seed, seconds=seconds, kills=options.kills),
            quiet_seconds=QUIET_SECONDS,
        ),
    )
    text = page(done, evidence, found)
    print(text)  # noqa: T201
    if options.minutes >= KEPT_MINUTES:
        RESULTS.write_text(text)
    if any(found.values()):
        (folder / "report.md").write_text(text)
        return 1
    shutil.rmtree(folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=6, help="calls a second")
    parser.add_argument("--kills", type=int, help="7 a minute unless given")
    options = parser.parse_args()
    options.kills = options.kills or max(round(options.minutes * 7), 1)
    return options


if __name__ == "__main__":
    sys.exit(main())
