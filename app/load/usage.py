"""What a process takes of the machine, and what others take of it meanwhile. Linux tells; elsewhere it is unknown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def resident_mb(process: int) -> float | None:
    """Megabytes that the process holds in memory."""
    try:
        pages = int((_PROC / str(process) / "statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_s(process: int) -> float | None:
    """Seconds of processor time that the process has used, all threads together."""
    try:
        # The name, in brackets, may hold anything; what follows it are numbers.
        fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy_s() -> float | None:
    """Seconds of processor time that the whole machine has used: user, nice, system and interrupts."""
    try:
        fields = (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    return sum(int(fields[at]) for at in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")
