"""Memory of a process that serves for months: kept as small as it was when it had warmed up."""

import ctypes
import gc
import os

# Of glibc's <malloc.h>.
M_ARENA_MAX = -8


def settle() -> None:
    """To be called once what serves is imported, and before threads start."""
    _share_one_heap()
    _freeze_what_is_imported()


def _share_one_heap() -> None:
    """One heap for all threads, where glibc gives each thread one of its own.

    A heap keeps what its threads have freed, so they all grow until each thread has met the
    largest request. Threads of one interpreter run one at a time: they hardly meet in it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not _says_how_many_heaps():
        mallopt(M_ARENA_MAX, 1)


def _says_how_many_heaps() -> bool:
    """Whether the environment does: glibc has heard it already."""
    return bool(
        os.environ.get("MALLOC_ARENA_MAX")
        or "malloc.arena_max" in os.environ.get("GLIBC_TUNABLES", "")
    )


def _freeze_what_is_imported() -> None:
    """It is no garbage, ever: the collector need not look at it again, nor count with it.

    A full collection waits until a quarter more has come than the one before it left: of all that
    is imported that would be some megabytes. So one looks once more when there is nothing left.
    """
    gc.collect()
    gc.freeze()
    gc.collect()
