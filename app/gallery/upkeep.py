"""One background thread that rebuilds what changes left behind."""

from __future__ import annotations

import ctypes
import logging
import sys
import threading

from app.gallery.partition import Partition

_log = logging.getLogger(__name__)


class Upkeep:
    """Starts its thread with the first work. A rebuild that fails leaves searches right, only slower."""

    def __init__(self) -> None:
        self._todo: list[Partition] = []
        self._busy = False
        self._closed = False
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def notice(self, partition: Partition) -> None:
        """Look after this partition if it needs it."""
        if not partition.overdue():
            return
        with self._news:
            if self._closed or partition in self._todo:
                return
            self._todo.append(partition)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gallery-upkeep", daemon=True)
                self._thread.start()
            self._news.notify_all()

    def settle(self) -> None:
        """Return when nothing is left to do."""
        with self._news:
            self._news.wait_for(lambda: self._closed or not (self._todo or self._busy))

    def close(self) -> None:
        """Finish the rebuild under way, begin no other."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._news:
                self._busy = False
                self._news.notify_all()
                self._news.wait_for(lambda: self._closed or bool(self._todo))
                if self._closed:
                    return
                partition = self._todo.pop(0)
                self._busy = True
            try:
                while not self._closed and partition.rebuild_once():
                    _give_memory_back()
            except Exception:
                _log.exception("A rebuild of the index failed; searches go on with what is there")


def _give_memory_back() -> None:
    """Return to the system what a rebuild freed: glibc keeps it, several times the size of the index."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # another libc may not have it
        if trim is not None:
            trim(0)
