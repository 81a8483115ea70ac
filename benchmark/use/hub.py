"""Kept adapters on the Hugging Face hub: three files sent, three files fetched, nothing executed.

The hub is that of `HF_ENDPOINT`, the token that of `HF_TOKEN` or of `hf auth login`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from backbones.families.hub import PROBE_SECONDS, hub_answers
from benchmark.kept.folder import CARD, CONFIG, LARGEST_CONFIG, TENSORS, read_folder_config
from registry.errors import UserError
from results.render.format import count
from results.store.files import unwritable

LARGEST = {CONFIG: LARGEST_CONFIG, TENSORS: 8 * 2**30, CARD: 2**20}
"""Bytes of each file that are fetched at most; of other files none is."""

NEEDED = (CONFIG, TENSORS)


@dataclass(frozen=True)
class Transfer:
    """Which files go, or come, and where."""

    repository: str
    url: str
    files: dict[str, int]
    """Bytes, by name."""
    private: bool
    commit: str | None = None
    """Of the repository; None before it is known."""


def plan_push(folder: Path, repository: str, *, private: bool = True) -> Transfer:
    """What `push` would send; nothing is asked of the hub.

    Raises:
        UserError: the folder holds no kept adapter, or the repository's name is none.
    """
    _check_name(repository)
    read_folder_config(folder)
    lacking = [name for name in LARGEST if not (folder / name).is_file()]
    if lacking:
        raise UserError(f"{folder} has no {lacking[0]}; give a folder as run leaves them under adapters/.")
    return Transfer(repository, _url(repository), {name: (folder / name).stat().st_size for name in LARGEST}, private)


def push(folder: Path, repository: str, *, private: bool = True) -> Transfer:
    """Make the repository where there is none, and commit a kept adapter to it.

    Args:
        private: of a new repository; one that is public already is refused unless this is False.

    Raises:
        UserError: no kept adapter, or the hub cannot be reached or refuses.
    """
    planned = plan_push(folder, repository, private=private)
    _reach(f"push {repository}")
    api = HfApi()
    with _told(f"push {repository}"):
        api.create_repo(repository, private=private, exist_ok=True)
        hidden = bool(api.model_info(repository).private)
        if private and not hidden:
            raise UserError(f"{planned.url} is there and public; say --public to publish the adapter, or name another.")
        files = [CommitOperationAdd(name, folder / name) for name in planned.files]
        done = api.create_commit(repository, files, commit_message=f"Adapter {read_folder_config(folder).row}")
    return Transfer(repository, planned.url, planned.files, hidden, done.oid)


def plan_pull(repository: str, revision: str | None = None) -> Transfer:
    """What `pull` would fetch.

    Raises:
        UserError: the hub cannot be reached or refuses, or there is no kept adapter of a size that is accepted.
    """
    _check_name(repository)
    _reach(f"pull {repository}")
    with _told(f"pull {repository}"):
        info = HfApi().model_info(repository, revision=revision, files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    files = {name: int(sizes[name] or 0) for name in LARGEST if name in sizes}
    if lacking := [name for name in NEEDED if name not in files]:
        raise UserError(f"{_url(repository)} has no {' and no '.join(lacking)}, so it is no adapter of this project.")
    for name, size in files.items():
        _check_size(repository, name, size)
    return Transfer(repository, _url(repository), files, bool(info.private), info.sha)


def pull(repository: str, revision: str | None = None, *, to: Path | None = None) -> Path:
    """A kept adapter out of the hub or, where that is out of reach, out of its cache.

    Args:
        revision: a branch, tag or commit; None for the main branch.
        to: a folder that does not exist yet, which gets a copy.

    Returns:
        That folder, or the one within the hub's cache.

    Raises:
        UserError: as `plan_pull`; out of reach and not in the cache.
    """
    _check_name(repository)
    if to and to.exists():
        raise UserError(f"{to} is there already; name a folder that is not.")
    folder = _fetched(repository, revision) if hub_answers() else _cached(repository, revision)
    read_folder_config(folder)
    return _copied(folder, to) if to else folder


def _fetched(repository: str, revision: str | None) -> Path:
    planned = plan_pull(repository, revision)
    with _told(f"pull {repository}"):
        # By the revision's own name, under which the cache then finds them without a hub.
        paths = [Path(hf_hub_download(repository, name, revision=revision)) for name in planned.files]
    for path in paths:
        _check_size(repository, path.name, path.stat().st_size)
    if len({path.parent for path in paths}) > 1:
        raise UserError(f"{planned.url} changed while it was fetched; pull once more.")
    return paths[0].parent


def _cached(repository: str, revision: str | None) -> Path:
    found = [try_to_load_from_cache(repository, name, revision=revision) for name in NEEDED]
    paths = [Path(path) for path in found if isinstance(path, str)]
    if len(paths) < len(NEEDED):
        raise _out_of_reach(f"pull {repository}", f" and the cache {constants.HF_HUB_CACHE} does not hold it")
    return paths[0].parent


def _copied(folder: Path, to: Path) -> Path:
    """The files themselves, where the cache has links."""
    try:
        to.mkdir(parents=True)
        for name in LARGEST:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, to / name)
    except OSError as error:
        raise unwritable(to, error) from None
    return to


def _check_name(repository: str) -> None:
    try:
        validate_repo_id(repository)
    except HFValidationError:
        raise UserError(f"{repository!r} is no name of a repository; write it as OWNER/NAME.") from None


def _check_size(repository: str, name: str, size: int) -> None:
    if size > LARGEST[name]:
        raise UserError(
            f"{name} of {repository} has {count(size)}B, expected {count(LARGEST[name])}B at most; it is not used."
        )


def _reach(doing: str) -> None:
    """Rather than the minute that the hub's client tries again and again."""
    if not hub_answers():
        raise _out_of_reach(doing)


def _out_of_reach(doing: str, addition: str = "") -> UserError:
    if constants.HF_HUB_OFFLINE:
        return UserError(f"cannot {doing}: HF_HUB_OFFLINE is set{addition}; unset it to reach {constants.ENDPOINT}.")
    silent = f"{constants.ENDPOINT} does not answer within {PROBE_SECONDS:g} s"
    return UserError(f"cannot {doing}: {silent}{addition}; see the network, or HF_ENDPOINT.")


@contextmanager
def _told(doing: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    # The hub's client raises a dozen unrelated types, new ones with each release.
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        mend = "; log in with `hf auth login`, or set HF_TOKEN" if status in (401, 403) else ""
        raise UserError(f"cannot {doing}: {_first_line(error)}{mend}.") from None


def _first_line(error: Exception) -> str:
    lines: list[Any] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return str(lines[0]).rstrip(".")[:300] if lines else type(error).__name__


def _url(repository: str) -> str:
    return f"{constants.ENDPOINT}/{repository}"
