"""One run: load and mischief side by side, then quiet, then the checks."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.faults.checks import judge
from tests.faults.collect import evidence_of
from tests.faults.load import Load, wishes
from tests.faults.mischief import Mischief
from tests.faults.plan import Fault
from tests.faults.records import Evidence
from tests.faults.report import Run
from tests.faults.rig import Rig, peopled, rigged, wait_for_quiet

# What tells how a breach came about.
KEPT_TABLES = ("calls_call", "calls_dial", "calls_callevent", "webhooks_delivery")
# Clients that were not answered under load get so long to be.
PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Options:
    """`rate` is of calls a second; `is_quick` leaves out what takes the product its deadlines."""

    seed: int
    seconds: float
    rate: float
    faults: Sequence[Fault]
    quiet_seconds: float
    is_quick: bool = False
    accounts: int = 3


def run(folder: Path, options: Options) -> tuple[Run, Evidence, dict[str, list[str]]]:
    """What was done, what there is to see of it, and what each check found. Logs, and tables that
    tell how a breach came about, are in `folder`."""
    with rigged(folder, seed=options.seed, is_quick=options.is_quick) as rig:
        rig.boot()
        with (
            peopled(rig, accounts=options.accounts),
            closing(Load(rig.url, wishes(rig.customers, seed=options.seed))) as load,
        ):
            done = _run(rig, load, options)
            evidence = evidence_of(rig, orders=load.orders)
            for table in KEPT_TABLES:
                rig.postgres.copy(table, folder / f"{table}.csv")
    return done, evidence, judge(evidence)


def _run(rig: Rig, load: Load, options: Options) -> Run:
    mischief = Mischief(rig)
    mischief.run(
        options.faults, meanwhile=lambda: load.run(seconds=options.seconds, rate=options.rate)
    )
    load.finish(seconds=PATIENCE_SECONDS)
    return Run(
        seed=options.seed,
        minutes=options.seconds / 60,
        rate=options.rate,
        kills=sum(fault.what == "kill -9" for fault in options.faults),
        quiet_seconds=wait_for_quiet(rig, seconds=options.quiet_seconds),
        faults=mischief.done,
        failed=mischief.failed,
        conduct=rig.carrier.met,
        fell=rig.fell,
        repeated=load.repeated,
        unanswered=load.unanswered,
    )
