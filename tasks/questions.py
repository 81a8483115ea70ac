"""What data sets of questions agree on: the nine types of MUSIC-AVQA, and how a missing answer is marked."""

KINDS = (
    "Audio Counting",
    "Audio Comparative",
    "Visual Counting",
    "Visual Location",
    "Audio-Visual Existential",
    "Audio-Visual Counting",
    "Audio-Visual Location",
    "Audio-Visual Comparative",
    "Audio-Visual Temporal",
)
NO_ANSWER = -100
"""The answer of a padding question; cross-entropy ignores it."""
