"""Embeddings of many clips in a file, `.npz` or `.parquet`: computed one batch after the other, going on after a cut.

Both hold, for each clip and modality, a vector of each segment. `.npz` has the arrays `ids` (N,), `sources` (N,),
`times` (N, T, 2) in seconds, `visual` and `audio` (N, T, D) float32, and `about`, JSON. `.parquet` has a row for each
segment, `id`, `source`, `modality`, `segment`, `begin`, `end`, `vector`, and the same JSON in its metadata.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from benchmark.use.clips import UserClip
from benchmark.use.trained import TrainedModel
from registry.errors import UserError
from registry.vocabulary import MODALITIES, Modality
from results.store.files import unwritable
from tasks.record_file import Record, RecordFile, write_once

SUFFIXES = (".npz", ".parquet")
_ABOUT = "avbench"
"""The key of the JSON in a Parquet file's metadata."""
_LARGEST_TEXT = 2**20
_ROWS = 4096
"""Of a group of rows in a Parquet file, about."""


@dataclass(frozen=True)
class Embeddings:
    """What a file of embeddings holds."""

    ids: tuple[str, ...]
    sources: tuple[str, ...]
    times: NDArray[np.float64]
    """(N, T, 2), begin and end of each segment in seconds of the clip."""
    segments: dict[Modality, NDArray[np.float32]]
    """By modality (N, T, D)."""
    model: str
    """The row and the record's hash of the model that made them."""
    joined: Literal["side by side", "mean"]
    """How a clip's vector is made of those of its segments."""

    def vectors(self, modality: Modality) -> NDArray[np.float32]:
        """One vector for each clip, as `TrainedModel.embed` gives it: (N, D')."""
        segments = self.segments[modality]
        if self.joined == "mean":
            return segments.mean(axis=1)
        flat = segments.reshape(len(segments), -1)
        return cast(NDArray[np.float32], flat / np.float32(segments.shape[1] ** 0.5))


@dataclass(frozen=True)
class Embedded:
    """How writing a file went."""

    clips: int
    left_out: tuple[str, ...] = ()
    """One line for each clip that could not be read."""


def write_embeddings(
    model: TrainedModel,
    clips: Sequence[UserClip],
    path: Path,
    *,
    modalities: Sequence[Modality] = MODALITIES,
    batch_size: int = 8,
    workers: int | None = None,
    skip_unreadable: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Embedded:
    """Embed clips into a file, in memory that does not depend on how many there are.

    What is done lies beside the file until it is whole; the same call goes on from there.

    Args:
        workers: processes that decode; None is one for each core.
        skip_unreadable: leave clips out that cannot be decoded, and tell so.
        report: is told how many clips of how many are done.

    Raises:
        UserError: a suffix that is neither of `SUFFIXES`, a clip that cannot be decoded, a library that is not
            installed, or a place that cannot be written.
    """
    write = _writer(path)
    work = path.with_name(f".{path.name}.{_asked(model, clips, modalities)}")

    def records_from(start: int) -> Iterator[Record]:
        report(start, len(clips))
        done = start
        for record in _records(model, clips[start:], modalities, batch_size, workers, skip_unreadable):
            yield record
            done += 1
            report(done, len(clips))

    try:
        records = write_once(work, len(clips), records_from)
        unreadable = tuple(f"{clip.id}: {note}" for clip, note in zip(clips, records.notes, strict=True) if note)
        if len(unreadable) == len(clips):
            raise UserError(f"none of {len(clips)} clips could be read; the first: {unreadable[0]}")
        _replace(path, lambda partial: write(partial, _Whole(model, clips, modalities, records)))
    except OSError as error:
        raise unwritable(path, error) from None
    shutil.rmtree(work, ignore_errors=True)
    Path(f"{work}.lock").unlink(missing_ok=True)
    return Embedded(len(clips) - len(unreadable), unreadable)


def read_embeddings(path: str | Path) -> Embeddings:
    """What `write_embeddings` wrote; nothing from the file is executed.

    Raises:
        UserError: a file that is missing, damaged or of another kind.
    """
    path = Path(path)
    read = _read_parquet if path.suffix == ".parquet" else _read_npz
    if not path.is_file():
        raise UserError(f"there are no embeddings {path}; write some: python -m benchmark embed MODEL PATHS -o {path}.")
    try:
        return read(path)
    except UserError:
        raise
    except Exception as error:  # Whatever a damaged file provokes in the libraries that read it.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path} holds no embeddings that can be read ({reason}); write them again.") from None


@dataclass(frozen=True)
class _Whole:
    """All embeddings, on disk."""

    model: TrainedModel
    clips: Sequence[UserClip]
    modalities: Sequence[Modality]
    records: RecordFile

    @property
    def readable(self) -> list[int]:
        return [index for index, note in enumerate(self.records.notes) if not note]

    @property
    def about(self) -> str:
        config = self.model.config
        joined = "side by side" if config.component("task").name == "retrieval" else "mean"
        return json.dumps({"model": f"{config.row} ({config.hash})", "joined": joined})

    def rows(self, name: str) -> Iterator[np.ndarray]:
        """One array of each clip that could be read."""
        return (self.records.arrays(index)[name] for index in self.readable)

    def shape(self, name: str) -> tuple[int, ...]:
        field = next(field for field in self.records.fields if field.name == name)
        return (len(self.readable), *field.shape)


def _records(
    model: TrainedModel,
    clips: Sequence[UserClip],
    modalities: Sequence[Modality],
    batch_size: int,
    workers: int | None,
    forgiving: bool,
) -> Iterator[Record]:
    facts = model.config.model
    for batch in model.batches(clips, batch_size, workers, forgiving=forgiving):
        vectors = {m: model.embed_segments(batch, m).cpu().numpy() for m in modalities}
        for place, (length, error) in enumerate(zip(batch["length"].tolist(), batch["error"], strict=True)):
            edges = np.linspace(0.0, length, facts.segments + 1)
            times = np.stack([edges[:-1], edges[1:]], axis=1)
            yield Record.of({"times": times, **{m: vectors[m][place] for m in modalities}}, error)


def _asked(model: TrainedModel, clips: Sequence[UserClip], modalities: Sequence[Modality]) -> str:
    """Digest of what decides a file, so that work for another one is not taken up."""
    asked = [model.config.hash, model.config.tensors_sha256, list(modalities), [(c.id, c.source) for c in clips]]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Write beside the target, then rename over it; a link in its place is replaced, not followed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _writer(path: Path) -> Callable[[Path, _Whole], None]:
    if path.suffix not in SUFFIXES:
        raise UserError(f"cannot write embeddings as {path.name}; give a name that ends in {' or '.join(SUFFIXES)}.")
    if path.suffix == ".parquet":
        _pyarrow()
        return _write_parquet
    return _write_npz


def _write_npz(path: Path, whole: _Whole) -> None:
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in ("times", *whole.modalities):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                _write_array(file, whole.rows(name), whole.shape(name))
        texts = {"ids": [whole.clips[i].id for i in whole.readable]}
        texts["sources"] = [whole.clips[i].source for i in whole.readable]
        for name, values in texts.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, np.array(values, dtype=np.str_))
        with archive.open("about.npy", "w") as file:
            np.save(file, np.array(whole.about, dtype=np.str_))


def _write_array(file: Any, rows: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
    """An array as numpy's own format has it, row by row."""
    header: io.BytesIO | None = None
    for row in rows:
        if header is None:
            header = io.BytesIO()
            described = {"descr": np.lib.format.dtype_to_descr(row.dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(header, described)
            file.write(header.getvalue())
        file.write(np.ascontiguousarray(row).tobytes())


def _read_npz(path: Path) -> Embeddings:
    with np.load(path, allow_pickle=False) as archive:
        segments = {m: archive[m] for m in MODALITIES if m in archive}
        about = json.loads(str(archive["about"])[:_LARGEST_TEXT])
        ids, sources = (tuple(map(str, archive[name].tolist())) for name in ("ids", "sources"))
        return _checked(Embeddings(ids, sources, archive["times"], segments, **_known(about)), path)


def _write_parquet(path: Path, whole: _Whole) -> None:
    arrow, parquet = _pyarrow()
    fields = [("id", arrow.string()), ("source", arrow.string()), ("modality", arrow.string())]
    fields += [("segment", arrow.int32()), ("begin", arrow.float64()), ("end", arrow.float64())]
    schema = arrow.schema([*fields, ("vector", arrow.list_(arrow.float32()))], metadata={_ABOUT: whole.about})
    rows: dict[str, list[Any]] = {name: [] for name in schema.names}
    with parquet.ParquetWriter(str(path), schema) as writer:
        for index in whole.readable:
            arrays = whole.records.arrays(index)
            for m in whole.modalities:
                for segment, (vector, (begin, end)) in enumerate(zip(arrays[m], arrays["times"], strict=True)):
                    values = (whole.clips[index].id, whole.clips[index].source, m, segment, begin, end, vector)
                    for name, value in zip(schema.names, values, strict=True):
                        rows[name].append(value)
            if len(rows["id"]) >= _ROWS:
                writer.write_table(arrow.table(rows, schema=schema))
                rows = {name: [] for name in schema.names}
        if rows["id"]:
            writer.write_table(arrow.table(rows, schema=schema))


def _read_parquet(path: Path) -> Embeddings:
    _, parquet = _pyarrow()
    table = parquet.read_table(str(path))
    about = json.loads(table.schema.metadata[_ABOUT.encode()][:_LARGEST_TEXT])
    columns = {name: table.column(name).to_pylist() for name in ("id", "source", "modality", "segment", "begin", "end")}
    vectors = np.stack([np.asarray(value, np.float32) for value in table.column("vector").to_pylist()])
    ids = tuple(dict.fromkeys(columns["id"]))
    modality, segments = np.array(columns["modality"]), max(columns["segment"]) + 1
    found = {m: vectors[modality == m].reshape(len(ids), segments, -1) for m in MODALITIES if (modality == m).any()}
    first = modality == modality[0]
    spans = np.stack([np.array(columns["begin"]), np.array(columns["end"])], axis=1)
    sources = dict(zip(columns["id"], columns["source"], strict=True))
    times = spans[first].reshape(len(ids), segments, 2)
    return _checked(Embeddings(ids, tuple(sources[name] for name in ids), times, found, **_known(about)), path)


def _known(about: dict[str, Any]) -> dict[str, Any]:
    return {"model": str(about["model"]), "joined": "side by side" if about["joined"] == "side by side" else "mean"}


def _checked(found: Embeddings, path: Path) -> Embeddings:
    shapes = {array.shape[:2] for array in found.segments.values()} | {found.times.shape[:2]}
    if len(shapes) != 1 or next(iter(shapes))[0] != len(found.ids) or len(found.sources) != len(found.ids):
        raise UserError(f"{path} holds no embeddings that can be read (its arrays differ in length); write them again.")
    if not all(array.ndim == 3 and np.isfinite(array).all() for array in found.segments.values()):
        raise UserError(f"{path} holds no embeddings that can be read (numbers are missing); write them again.")
    return found


def _pyarrow() -> tuple[Any, Any]:
    """pyarrow, and its reader and writer of Parquet.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise UserError(
            "files of Parquet need pyarrow: pip install 'av-adapter-bench[parquet]', or write .npz instead."
        ) from None
