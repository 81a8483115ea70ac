"""The picture of a prediction, a PNG: frames, what sight took from sound, the sound, and classes over time."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from benchmark.use.exchange_map import ExchangeMap
from benchmark.use.prediction import Prediction
from benchmark.use.shown import envelope, measure, plain, shown_classes, span, spectrum
from results.store.files import write_atomically

WIDTH, LANE = 9.3, 0.26
"""Inches of the strip of frames, and of a class."""
NUMBERED = 24
"""Segments at most whose probabilities are written as numbers too."""


def write_picture(prediction: Prediction, exchange: ExchangeMap, path: Path) -> None:
    """Draw a prediction into a PNG.

    Raises:
        OutputError: the file cannot be written.
    """
    file = io.BytesIO()
    figure = _figure(prediction, exchange)
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png", dpi=110)
    write_atomically(path, file.getvalue())


def _figure(prediction: Prediction, exchange: ExchangeMap) -> Figure:
    classes = shown_classes(prediction)
    side = min(1.8, WIDTH / len(prediction.frames))
    heights = {"frames": side} | ({} if prediction.true_masks is None else {"truth": side})
    if exchange.heard is not None:
        heights |= {"heard": side, "control": side}
    heights |= {"waveform": 0.7, "spectrum": 0.9, "classes": max(0.7, LANE * len(classes))}
    figure = Figure(figsize=(11, sum(heights.values()) + 0.28 * len(heights) + 1.5), layout="constrained")
    axes = figure.subplots(len(heights), height_ratios=list(heights.values()))
    lanes: dict[str, Axes] = dict(zip(heights, axes, strict=True))
    figure.suptitle(_title(prediction), fontsize=10, parse_math=False)
    _strip(lanes["frames"], prediction.shown_frames, "frames")
    if (true_frames := prediction.true_frames) is not None:
        _strip(lanes["truth"], true_frames, "truth")
    if exchange.heard is not None and exchange.control is not None:
        _strip(lanes["heard"], _tinted(prediction.frames, exchange.heard / exchange.scale), "sight took\nfrom sound")
        _strip(lanes["control"], _tinted(prediction.frames, exchange.control / exchange.scale), "control:\nsilence")
    _sound(lanes["waveform"], lanes["spectrum"], prediction)
    _classes(lanes["classes"], prediction, classes)
    figure.supxlabel(exchange.says, fontsize=8, color="#444444", parse_math=False)
    return figure


def _title(prediction: Prediction) -> str:
    labels = f" [{', '.join(map(plain, prediction.warnings))}]" if prediction.warnings else ""
    lines = [plain(prediction.source, 80) + labels, f"{prediction.task}, {plain(prediction.model, 100)}"]
    lines += [plain(prediction.question, 90)] if prediction.question else []
    return "\n".join([*lines, *(f"note: {plain(note, 110)}" for note in prediction.notes)])


def _strip(ax: Axes, frames: NDArray[np.uint8], name: str) -> None:
    """Frames side by side, each as wide as a segment."""
    count = len(frames)
    for index, frame in enumerate(frames):
        ax.imshow(frame, extent=(index + 0.02, index + 0.98, 0, 1), aspect="auto", interpolation="nearest")
    ax.set(xlim=(0, count), ylim=(0, 1), xticks=[], yticks=[])
    _named(ax, name)


def _tinted(frames: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey frames with heat in red over them: (T, H, W, 3) and (T, g, g) -> (T, H', W', 3)."""
    grey = np.repeat(frames.mean(axis=-1, keepdims=True), 3, axis=-1)
    rows = np.arange(frames.shape[1]) * heat.shape[1] // frames.shape[1]
    columns = np.arange(frames.shape[2]) * heat.shape[2] // frames.shape[2]
    strength = 0.85 * heat[:, rows][:, :, columns, None]
    return ((1 - strength) * grey + strength * np.array([255.0, 60.0, 0.0])).astype(np.uint8)


def _sound(wave: Axes, mel: Axes, prediction: Prediction) -> None:
    begin, end = span(prediction)
    _named(wave, "waveform")
    _named(mel, "log-mel")
    for ax in (wave, mel):
        ax.set(xlim=(begin, end), yticks=[])
    wave.set(ylim=(-1, 1), xticks=[])
    if prediction.log_mels is None:
        for ax in (wave, mel):
            ax.text(0.5, 0.5, "no sound", transform=ax.transAxes, ha="center", va="center", color="#777777")
        return
    drawn = envelope(prediction.waveform, 900)
    wave.fill_between(np.linspace(begin, end, len(drawn)), drawn[:, 0], drawn[:, 1], color="#0b63b0", linewidth=0.4)
    mel.imshow(spectrum(prediction.log_mels), extent=(begin, end, 0, 1), aspect="auto", cmap="magma")
    mel.tick_params(labelsize=7)


def _classes(ax: Axes, prediction: Prediction, classes: list[int]) -> None:
    names = [plain(prediction.labels[index], 28) for index in classes]
    names = [f"{name},\nshare of\nthe frame" for name in names] if prediction.masks is not None else names
    ax.set_yticks(range(len(classes)), names, fontsize=8, parse_math=False)
    ax.invert_yaxis()
    if len(prediction.times) == 1:
        values = prediction.probabilities[0, classes]
        ax.barh(range(len(classes)), values, color=["#0b63b0", *["#b9cfe4"] * (len(classes) - 1)])
        ax.set(xlim=(min(0.0, float(values.min())), 1))
        for place, value in enumerate(values):
            ax.text(max(0.0, float(value)) + 0.005, place, f"{value:.2f}", va="center", fontsize=8)
        ax.set_xlabel(measure(prediction), fontsize=8)
        ax.tick_params(axis="x", labelsize=7)
        return
    begin, end = span(prediction)
    table = prediction.probabilities[:, classes].T
    ax.imshow(table, extent=(begin, end, len(classes) - 0.5, -0.5), aspect="auto", cmap="Blues", vmin=0, vmax=1)
    for column, (first, last) in enumerate(prediction.times):
        for place in range(len(classes)):
            value = float(table[place, column])
            if value >= 0.005 and len(prediction.times) <= NUMBERED:
                at = ((first + last) / 2, place)
                ax.text(
                    *at, f"{value:.2f}", ha="center", va="center", fontsize=7, color="white" if value > 0.6 else "black"
                )
    places = {prediction.labels[index]: place for place, index in enumerate(classes)}
    for event in prediction.events:
        if event.label in places:
            corner = (event.begin, places[event.label] - 0.46)
            ax.add_patch(
                Rectangle(corner, event.end - event.begin, 0.92, fill=False, edgecolor="#d9480f", linewidth=1.6)
            )
    ax.set_xlabel("seconds", fontsize=8)
    ax.tick_params(axis="x", labelsize=7)


def _named(ax: Axes, name: str) -> None:
    ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
