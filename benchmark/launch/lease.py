"""The right to run a cell: a lock of the operating system, so that it ends with its holder, however that ends.

It keeps two grids on one output folder from training a cell twice. It holds between machines wherever `flock` does:
on NFS 4, and on NFS 3 with a lock daemon, where a machine that crashed gives its locks back after the server's grace
period. Lustre needs the mount option `flock` (not `localflock`). On a file system that only pretends, two machines may
train one cell at once; records stay whole even then, since each is written by rename and a completed one stands.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from registry.errors import UserError


class Lease:
    """Held by one process at a time, which trains the cell and writes its record."""

    def __init__(self, output: Path, run_hash: str) -> None:
        self._path = Path(output) / "locks" / f"{run_hash}.lock"
        # A soft lock, filelock's stand-in where the system has none, would outlive a holder that is killed.
        self._lock = FileLock(self._path, mode=0o644, thread_local=False, fallback_to_soft=False)

    def take(self, seconds: float = 0.0) -> bool:
        """Whether this process has the lease now; somebody else's is waited for this long.

        Raises:
            UserError: the output cannot be written, or its file system has no locks.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=seconds)
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"cannot lock {self._path}: {reason}; give a folder with locks by --output.") from None
        return True

    def give_back(self) -> None:
        self._lock.release()

    def is_held(self) -> bool:
        """Whether any process has the lease, for whoever may write the output; others are told no.

        Looking takes the lease for a moment where nobody has it.
        """
        if not self._path.exists():
            return False
        try:
            taken = self.take()
        except UserError:
            return False
        if taken:
            self.give_back()
        return not taken
