"""Where the papers' code cuts the sound of each segment: evenly spaced windows, the last well before the end.

Our own decoder takes the window around the middle of each equal segment instead (`tasks.media.clip`).
"""

from __future__ import annotations

import numpy as np

from registry.vocabulary import SAMPLE_RATE


def published_starts(samples: int, segments: int, seconds: float = 1.0) -> np.ndarray:
    """First sample of each segment's window: -> (segments,) int64.

    Evenly spaced from 0 to a tenth of a second more than a window before the end, cut to whole samples. Sound that is
    no longer than that is used whole for every segment, from 0. As STG-CMA and LAVISH do: windows of 1 s for AVE, of
    1.95 s for AVQA.

    Args:
        samples: length of the sound at 16 kHz.
        seconds: length of a window.
    """
    last = samples - round(SAMPLE_RATE * (seconds + 0.1))
    return np.linspace(0, max(0, last), segments).astype(np.int64)
