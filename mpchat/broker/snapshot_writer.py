"""The snapshot writer: a thread of the broker. It waits for the disk to have a snapshot, so that the loop need not.

It is given bytes and touches nothing else of the broker's. Only when the disk has a snapshot may the segments that it
replaces be removed: in a power cut right after it, the file's new name would be there and its content would not.

    the segments up to the snapshot -> the disk     snapshot.new -> the disk     renamed -> the disk     reported

A power cut between any two of these leaves a snapshot, the old or the new one, and all segments behind it; and so does
kill -9, which ends the thread with its process. Nothing waits for it: a server that stops does without.
"""

import threading
import time
from pathlib import Path

from mpchat.runtime.crash_points import crash_point
from mpchat.store import snapshot
from mpchat.store.journal import sync_file, sync_folder

NAME = "snapshot-writer"


class SnapshotWriter:
    """Of one broker; it writes one snapshot at a time into `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread: threading.Thread | None = None  # from begin() until its outcome has been taken
        self._error: str | None = None
        self.begun_at = 0.0  # monotonic seconds
        self.position = 0  # of the snapshot that is being written
        self.reported = False  # there is an outcome to be taken; the last thing that the thread sets

    @property
    def is_busy(self) -> bool:
        return self._thread is not None

    def begin(self, position: int, state: bytes, segments: list[Path]) -> None:
        """Start to write; `segments` hold what the journal has between the snapshot before and this one.

        Raises RuntimeError if the system has no room for a thread (a limit on processes counts threads too).
        """
        assert self._thread is None
        self.position, self._error, self.begun_at = position, "it ended without a word", time.monotonic()
        thread = threading.Thread(target=self._run, args=(position, state, segments), name=NAME, daemon=True)
        thread.start()
        self._thread = thread

    def outcome(self) -> str | None:
        """After `reported`: None if the disk has the snapshot, or what went wrong. Then the next one may begin."""
        assert self.reported
        self._thread, self.reported = None, False
        return self._error

    def _run(self, position: int, state: bytes, segments: list[Path]) -> None:
        try:
            # Here too the order counts: with a later segment on the disk, and an end of this one not, a restart would
            # find a hole in the journal.
            for segment in segments:
                sync_file(segment)
            sync_folder(self._folder / "journal")
            crash_point("broker: segments synced")
            snapshot.prepare(self._folder, position, state)
            crash_point("broker: snapshot prepared")
            snapshot.install(self._folder)
            crash_point("broker: snapshot")
            self._error = None
        except OSError as error:
            self._error = str(error)
        finally:
            self.reported = True
