"""The nine types of question of MUSIC-AVQA, which the procedural world asks too."""

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
