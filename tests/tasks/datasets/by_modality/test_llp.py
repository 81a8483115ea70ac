"""LLP's tables as they are, with the blemishes of the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import DataError
from tasks.datasets.by_modality.llp import CLASSES, LlpFolder
from tasks.datasets.open import open_source

FILES = {
    "AVVP_train.csv": "filename\tevent_labels\n-3M-k4nIYIM_30_40\tDog,Speech\nAkAfFL5Q4QA_30_40\tCar\n",
    "AVVP_val_pd.csv": "filename\tevent_labels\nGSovTky7XbU_120_130\tSpeech\n",
    "AVVP_test_pd.csv": "filename\tevent_labels\nMcVcuryKUp4_160_170\tMotorcycle,Speech\n",
    "AVVP_eval_audio.csv": "filename\tonset\toffset\tevent_labels\nMcVcuryKUp4_160_170\t6\t8\tSpeech\n",
    "AVVP_eval_visual.csv": "filename\tonset\toffset\tevent_labels\nMcVcuryKUp4_160_170\t0\t2\tMotorcycle\n",
}
TEST = "McVcuryKUp4_160_170"


def write(root: Path, folder: str = "", **more: str) -> Path:
    """The tables with lines added, `test="…"` to AVVP_test_pd.csv and so on."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        added = next((lines for key, lines in more.items() if key in name), "")
        (root / folder / name).write_text(text + added)
    return root


def test_splits_classes_and_events(tmp_path):
    folder = LlpFolder(write(tmp_path))
    assert folder.classes == CLASSES
    assert len(CLASSES) == 25
    assert [row.name for row in folder.rows("train")] == ["-3M-k4nIYIM_30_40", "AkAfFL5Q4QA_30_40"]
    assert (folder.rows("train")[0].media, folder.rows("train")[0].labels) == ("-3M-k4nIYIM", ("Dog", "Speech"))
    heard, seen = folder.events(TEST, "audio"), folder.events(TEST, "visual")
    assert heard.nonzero().tolist() == [[0, 6], [0, 7]]
    assert seen.nonzero().tolist() == [[18, 0], [18, 1]]
    assert not folder.events("GSovTky7XbU_120_130", "audio").any()


def test_blemishes_of_the_published_tables(tmp_path):
    """Overlaps, duplicates, empty rows, a class outside the clip's labels, rows of no clip, seconds beyond the clip."""
    lines = [
        f"{TEST}\t7\t9\tSpeech", f"{TEST}\t6\t8\tSpeech", f"{TEST}\t3\t3\tCat", f"{TEST}\t8\t12\tCar",
        "CSWQ_HzQ_10_20\t0\t4\tSpeech",
    ]  # fmt: skip
    folder = LlpFolder(write(tmp_path, audio="\n".join(lines) + "\n"))
    assert folder.events(TEST, "audio").nonzero().tolist() == [[0, 6], [0, 7], [0, 8], [1, 8], [1, 9]]


def test_the_identity_follows_what_is_said_of_clips_in_the_lists(tmp_path):
    plain = LlpFolder(write(tmp_path / "a")).identity()
    assert plain.startswith("llp@")
    assert LlpFolder(write(tmp_path / "b", folder="data")).identity() == plain
    stray = LlpFolder(write(tmp_path / "c", audio="CSWQ_HzQ_10_20\t0\t4\tSpeech\n")).identity()
    mended = LlpFolder(write(tmp_path / "d", audio="GSovTky7XbU_120_130\t0\t4\tSpeech\n")).identity()
    assert (stray, mended == plain) == (plain, False)


def test_a_folder_is_known_by_its_tables(tmp_path):
    assert isinstance(open_source(str(write(tmp_path, folder="data")), "events_by_modality"), LlpFolder)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"audio": f"{TEST}\t6\tx\tSpeech\n"}, "AVVP_eval_audio.csv line 3 has onset '6' and offset 'x'"),
        ({"audio": f"{TEST}\t8\t6\tSpeech\n"}, "0 <= onset <= offset <= 10"),
        ({"visual": f"{TEST}\t1\t6\tSpeach\n"}, r"AVVP_eval_visual.csv line 3: .*Speech"),
        ({"visual": f"{TEST}\t1\t6\n"}, "AVVP_eval_visual.csv line 3 has 3 fields, its header has 4"),
        ({"test": "x_1_2\t\n"}, "AVVP_test_pd.csv line 3: clip x_1_2 has no label"),
        ({"test": "AkAfFL5Q4QA_30_40\tCar\n"}, "which AVVP_train.csv has already"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, more, words):
    with pytest.raises(DataError, match=words):
        LlpFolder(write(tmp_path, **more))


def test_a_missing_table_or_column_is_named(tmp_path):
    (write(tmp_path) / "AVVP_eval_audio.csv").write_text("filename\tonset\n")
    with pytest.raises(DataError, match=r"AVVP_eval_audio.csv line 1 lacks column 'offset'"):
        LlpFolder(tmp_path)
    (tmp_path / "AVVP_eval_audio.csv").unlink()
    with pytest.raises(DataError, match=r"AVVP_eval_audio.csv is missing"):
        LlpFolder(tmp_path)


def test_media_lie_in_folders_of_videos_or_where_the_authors_have_them(tmp_path):
    for place in ("videos", "LLP_dataset/video", "data/LLP_dataset/video"):
        root = write(tmp_path / place.replace("/", "-"))
        (root / place).mkdir(parents=True)
        for name in ("-3M-k4nIYIM", "AkAfFL5Q4QA", "GSovTky7XbU", "McVcuryKUp4"):
            (root / place / f"{name}.mp4").write_bytes(b"x")
        LlpFolder(root).prepare()
    (tmp_path / "videos" / "videos" / "McVcuryKUp4.mp4").unlink()
    with pytest.raises(DataError, match="1 of 4 clips are missing"):
        LlpFolder(tmp_path / "videos").prepare()
