"""The page of a prediction: one HTML file that fetches nothing, runs nothing, and fits a phone and a dark room."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from benchmark.use.exchange_map import ExchangeMap
from benchmark.use.prediction import Prediction
from benchmark.use.shown import envelope, is_similarity, marked, measure, plain, shown_classes, span, spectrum
from results.store.files import write_atomically

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SHOWN, _PLAIN, _TRUE = "f", "p", "t"
"""What classes of frames begin with."""
SEGMENT = 64
"""Pixels that a segment has at least; a narrow screen scrolls the lanes."""
NOT_SAID = (
    "Red is how far the tokens of sight at a place end up from where they end without any sound, as a share of their "
    "length, in full where that is {:.0%}, in both rows. It is the difference of two runs of the model: not where the "
    "sound comes from, and no reason for the answer. A deep token tells of more than its own place. In the control the "
    "model was given silence: what the rows share is not due to anything heard."
)


def write_page(prediction: Prediction, exchange: ExchangeMap, path: Path) -> None:
    """Write a prediction as a page.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomically(path, to_html(prediction, exchange).encode("utf-8", errors="replace"))


def to_html(prediction: Prediction, exchange: ExchangeMap) -> str:
    """The whole page; every text of the prediction is escaped."""
    several = len(prediction.times) > 1
    css = (resources.files("benchmark.use") / "page.css").read_text(encoding="utf-8")
    parts = [
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='color-scheme' content='light dark'>",
        f"<title>{_text(prediction.source, 80)}</title><style>\n{css}{_frames_as_css(prediction)}</style>",
        "</head><body><main>",
        *_head(prediction),
        *([] if several else _bars(prediction)),
        *_lanes(prediction, exchange),
        *(_table(prediction) if several else []),
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _head(prediction: Prediction) -> Iterable[str]:
    yield f"<h1>{_text(prediction.source, 200)}</h1>"
    if prediction.warnings:
        yield f"<p class='labels'>{''.join(f'<span>{_text(label)}</span>' for label in prediction.warnings)}</p>"
    yield f"<p class='soft'>{_text(prediction.task)}, {_text(prediction.model, 300)}</p>"
    if prediction.notes:
        yield f"<ul class='notes'>{''.join(f'<li>{_text(note, 300)}</li>' for note in prediction.notes)}</ul>"
    if prediction.question:
        yield f"<p class='answer'>{_text(prediction.question, 300)} <strong>{_text(prediction.best[0])}</strong></p>"


def _bars(prediction: Prediction) -> Iterable[str]:
    yield f"<h2>{'Similarity of sight and sound' if is_similarity(prediction) else 'Probabilities'}</h2>"
    for index in shown_classes(prediction):
        value = float(prediction.probabilities[0, index])
        width = 100 * min(1.0, max(0.0, value))
        yield (
            f"<div class='bar'><span>{_text(prediction.labels[index])}</span>"
            f"<span class='track'><i style='width:{width:.1f}%'></i></span>"
            f"<span class='number'>{value:.3f}</span></div>"
        )


def _lanes(prediction: Prediction, exchange: ExchangeMap) -> Iterable[str]:
    """Everything that has a place in time, one below the other."""
    count = len(prediction.frames)
    yield "<h2>What was seen and heard</h2>"
    yield f"<div class='lanes' tabindex='0'><div class='inner' style='min-width:{count * SEGMENT + 100}px'>"
    yield _lane("frames", _strip(prediction, None, "frame"))
    if prediction.true_masks is not None:
        yield _lane("truth", _strip(prediction, None, "truth", _TRUE))
    if exchange.heard is not None and exchange.control is not None:
        yield _lane(
            "sight took from sound", _strip(prediction, exchange.heard / exchange.scale, "sight took from sound")
        )
        yield _lane("control: silence", _strip(prediction, exchange.control / exchange.scale, "control with silence"))
    yield from _sound(prediction)
    yield from _classes(prediction)
    yield "</div></div>"
    yield f"<p class='soft'>{_text(exchange.says, 300)}</p>"
    if exchange.heard is not None:
        yield f"<p class='soft'>{_text(NOT_SAID.format(exchange.scale), 900)}</p>"


def _strip(prediction: Prediction, heat: NDArray[np.float32] | None, what: str, name: str = "") -> str:
    cells, name = [], name or (_SHOWN if heat is None or prediction.masks is None else _PLAIN)
    for index, moment in enumerate(prediction.frame_times):
        over = "" if heat is None else f"<img class='heat' alt='' src='{_heat(heat[index])}'>"
        grey = "" if heat is None else " grey"
        label = f"{what} at {moment:.1f} s"
        picture = f"<div class='frame {name}{index}{grey}' style='position:absolute;inset:0'></div>"
        cells.append(f"<div class='frame' role='img' aria-label='{label}' title='{label}'>{picture}{over}</div>")
    return _row(cells, len(prediction.frames))


def _sound(prediction: Prediction) -> Iterable[str]:
    begin, end = span(prediction)
    if prediction.log_mels is None:
        yield _lane("sound", "<p class='none'>There is no sound in this file.</p>")
        return
    drawn = envelope(prediction.waveform, 800)
    above = " ".join(f"{x} {50 - 49 * high:.1f}" for x, (_, high) in enumerate(drawn))
    below = " ".join(f"{x} {50 - 49 * low:.1f}" for x, (low, _) in reversed(list(enumerate(drawn))))
    yield _lane(
        "waveform",
        f"<svg class='lane wave' viewBox='0 0 {len(drawn)} 100' preserveAspectRatio='none' role='img' "
        f"aria-label='waveform'><path d='M {above} L {below} Z'/></svg>",
    )
    coloured = colormaps["magma"](spectrum(prediction.log_mels))[..., :3]
    picture = _png((255 * coloured).astype(np.uint8))
    ticks = "".join(f"<span>{begin + (end - begin) * part / 4:.1f} s</span>" for part in range(5))
    yield _lane(
        "log-mel, low below",
        f"<img class='lane mel' alt='log-mel energies' src='{picture}'><div class='ticks'>{ticks}</div>",
    )


def _classes(prediction: Prediction) -> Iterable[str]:
    if len(prediction.times) == 1:
        return
    said = marked(prediction)
    for index in shown_classes(prediction):
        cells = [
            _cell(float(value), on)
            for value, on in zip(prediction.probabilities[:, index], said[:, index], strict=True)
        ]
        yield _lane(_text(prediction.labels[index]), _row(cells, len(prediction.times)))


def _cell(value: float, best: bool) -> str:
    classes = "cell" + (" best" if best else "")
    return f"<div class='{classes}' style='background:rgb(var(--cell) / {0.55 * value:.2f})'>{value:.2f}</div>"


def _table(prediction: Prediction) -> Iterable[str]:
    rows = zip(prediction.times, prediction.best, prediction.probabilities.max(axis=1), strict=True)
    lines = [(begin, end, label, float(value)) for (begin, end), label, value in rows]
    title = "Segments"
    if prediction.active is not None:
        title, lines = "Events", [(e.begin, e.end, e.label, e.probability) for e in prediction.events]
    names = "".join(f"<th>{name}</th>" for name in ("from", "to", "label", measure(prediction)))
    yield f"<h2>{title}</h2><table><thead><tr>{names}</tr></thead><tbody>"
    for begin, end, label, value in lines:
        yield f"<tr><td>{begin:.1f} s</td><td>{end:.1f} s</td><td>{_text(label)}</td><td>{value:.3f}</td></tr>"
    yield "</tbody></table>"
    if not lines:
        yield "<p class='none'>No event is heard or seen.</p>"


def _lane(name: str, content: str) -> str:
    return f"<div class='name'>{name}</div><div>{content}</div>"


def _row(cells: Iterable[str], count: int) -> str:
    return f"<div class='row' style='grid-template-columns:repeat({count},1fr)'>{''.join(cells)}</div>"


def _text(text: str, most: int = 60) -> str:
    return html.escape(plain(text, most), quote=True)


def _frames_as_css(prediction: Prediction) -> str:
    """Each frame once, however often the page shows it; beside those with masks, the plain ones that heat lies over."""
    kinds = {_SHOWN: prediction.shown_frames} | ({} if prediction.masks is None else {_PLAIN: prediction.frames})
    if (true_frames := prediction.true_frames) is not None:
        kinds[_TRUE] = true_frames
    return "".join(
        f".{name}{index}{{background-image:url({_png(frame)})}}\n"
        for name, frames in kinds.items()
        for index, frame in enumerate(frames)
    )


def _heat(places: NDArray[np.float32]) -> str:
    """Red that is the more opaque the further the tokens moved: (g, g) in 0..1 -> a data URL."""
    red = np.zeros((*places.shape, 4), np.uint8)
    red[..., :3] = (255, 60, 0)
    red[..., 3] = np.clip(places * 217, 0, 255)
    return _png(red)


def _png(picture: NDArray[np.uint8]) -> str:
    """(H, W, 3) or (H, W, 4) -> a data URL; OpenCV wants blue first."""
    order = (2, 1, 0, 3)[: picture.shape[-1]]
    coded = cv2.imencode(".png", np.ascontiguousarray(picture[..., order]))[1]
    return f"data:image/png;base64,{base64.b64encode(coded.tobytes()).decode()}"
