"""Records that lie elsewhere, read through fsspec."""

from __future__ import annotations

from pathlib import Path

from fsspec.core import url_to_fs

from registry.errors import UserError
from registry.vocabulary import Answers, ItemScore, ShownClip, StressScores
from results.store.answers import answers_from_bytes
from results.store.gallery import MOST_GALLERY_BYTES, gallery_from_bytes
from results.store.items import MOST_ITEM_BYTES, items_from_bytes
from results.store.serialise import RecordError
from results.store.source import Records, Unreadable
from results.store.store import MOST_RECORD_BYTES, NAMES, names_from_bytes, record_from_bytes
from results.store.stress import stress_from_bytes


class RemoteStore:
    """Records at a URL, read through fsspec: `s3://…`, `gs://…`, `hf://…`, `ssh://…`, `memory://…`; never written.

    Raises:
        UserError: an unknown protocol, one whose package is not installed, or a place that cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.place = url.rstrip("/")
        try:
            self._files, self._root = url_to_fs(self.place)
            if not self._files.isdir(f"{self._root}/records"):
                raise UserError(f"{url} has no folder records/; give the URL of an output folder of `run`.")
        except UserError:
            raise
        # Every protocol has errors of its own.
        except Exception as error:
            raise UserError(f"cannot read {url}: {' '.join(str(error).split()) or type(error).__name__}.") from None

    def load(self) -> Records:
        """As `Store.load`."""
        records, unreadable = [], []
        for path in sorted(self._files.glob(f"{self._root}/records/*.json")):
            try:
                records.append(record_from_bytes(self._bytes(path, MOST_RECORD_BYTES), path))
            except (RecordError, OSError) as error:
                unreadable.append(Unreadable(Path(path), str(error)))
        names = {}
        try:
            names = names_from_bytes(self._bytes(f"{self._root}/{NAMES}", MOST_RECORD_BYTES), NAMES)
        except FileNotFoundError:
            pass
        except (RecordError, OSError) as error:
            unreadable.append(Unreadable(Path(NAMES), str(error)))
        return Records(records, unreadable, names=names)

    def answers(self, run_hash: str) -> Answers | None:
        """As `Store.answers`."""
        path = f"{self._root}/answers/{run_hash}.npz"
        try:
            return answers_from_bytes(self._bytes(path, MOST_ITEM_BYTES), path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(f"{path}: {error}") from None

    def stress(self, run_hash: str) -> StressScores | None:
        """As `Store.stress`."""
        path = f"{self._root}/stress/{run_hash}.npz"
        try:
            return stress_from_bytes(self._bytes(path, MOST_ITEM_BYTES), path, run_hash)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(f"{path}: {error}") from None

    def gallery(self, run_hash: str) -> tuple[ShownClip, ...]:
        """As `Store.gallery`."""
        path = f"{self._root}/gallery/{run_hash}.json.gz"
        try:
            return gallery_from_bytes(self._bytes(path, MOST_GALLERY_BYTES), path)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise RecordError(f"{path}: {error}") from None

    def items(self, run_hash: str) -> list[ItemScore]:
        """As `Store.items`."""
        path = f"{self._root}/items/{run_hash}.json.gz"
        try:
            return items_from_bytes(self._bytes(path, MOST_ITEM_BYTES), path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RecordError(f"{path}: {error}") from None

    def _bytes(self, path: str, most: int) -> bytes:
        if (self._files.size(path) or 0) > most:
            raise OSError(f"it is larger than {most // 2**20} MB")
        content: bytes = self._files.cat_file(path)
        return content

    def fingerprint(self) -> None:
        """None: not every protocol tells when a file was changed."""
