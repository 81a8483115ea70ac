"""What is kept changes no number, is computed once, and is shared by exactly the runs that would compute the same."""

import dataclasses
import logging
import shutil

import pytest
from torch import nn
from training_fakes import FakeHead, FakeTask, registered

from benchmark.cost.clocks import TrainingClock
from benchmark.data import feature_cache as module
from benchmark.data.feature_cache import FeatureCache
from benchmark.grid.spec import RunSpec
from benchmark.model.build import build_model, build_task
from benchmark.model.encoder import Encoder
from benchmark.train.hooks import InferenceClock
from benchmark.train.train import train
from registry import TASKS, Component, look_up, names
from registry.vocabulary import Stage
from tasks.recipe import Recipe
from tasks.synthetic import store

RECIPE = Recipe(epochs=2, batch_size=8, adapter_lr=1e-2, head_lr=1e-2, warmup_epochs=0.5, precision="bf16")


@pytest.fixture(autouse=True)
def _fakes():
    with registered():
        yield


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("AVBENCH_PREPARED")
    return tmp_path / "prepared"


def spec(adapter: str, seed: int = 0, backbone: str = "fake_backbone", task: str = "fake_task", **recipe) -> RunSpec:
    components = (Component.parse(text) for text in (backbone, adapter, task))
    return RunSpec(*components, seed=seed, recipe=RECIPE.override(recipe))


def run(cell: RunSpec, workers: int = 0):
    record, items = train(cell, run_hash="0123", device="cpu", report=lambda progress: None, workers=workers)
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in record.history]
    return record, (record.scores, record.validation, history, items)


def reads() -> dict[str, int]:
    """How often clips of each split were read for the latest task."""
    return {split: clips.reads for split, clips in FakeTask.made.items()}


@pytest.mark.parametrize("adapter", ["fake_adapter", "linear_probe"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_kept_or_not_the_numbers_are_the_same(cache, monkeypatch, adapter, precision):
    first = run(spec(adapter, precision=precision))[1]
    second = run(spec(adapter, precision=precision))[1]
    monkeypatch.setenv("AVBENCH_PREPARED", "none")
    assert first == second == run(spec(adapter, precision=precision))[1]


def pair_of(backbone: str, **options) -> RunSpec:
    return spec("linear_probe", backbone=backbone, precision="fp32", epochs=1, **options)


def test_features_of_a_backbone_serve_every_pairing_of_it(cache, monkeypatch):
    """A second pairing computes what its new backbone says, and nothing else."""
    computed = []
    kept = Encoder.kept
    monkeypatch.setattr(Encoder, "kept", lambda self, x, m, **o: computed.append(m) or kept(self, x, m, **o))
    pair = "towers(audio='{}', visual='tiny_swin')"
    first = run(pair_of(pair.format("tiny_vit")))[1]
    assert set(computed) == {"visual", "audio"}
    computed.clear()
    second = run(pair_of(pair.format("tiny_clip"), seed=1))[1]
    assert set(computed) == {"audio"}
    assert first != second
    computed.clear()
    run(pair_of("towers(audio='tiny_swin', visual='tiny_vit')"))
    assert set(computed) == {"visual", "audio"}, "the other way round they say something else"
    monkeypatch.setenv("AVBENCH_PREPARED", "none")
    assert run(pair_of(pair.format("tiny_vit")))[1] == first


def test_random_features_are_of_the_whole_pair(cache, monkeypatch):
    """Random weights are drawn one backbone after the other."""
    pairs = [f"towers(audio=\"tiny_vit(weights='none')\", visual='{seen}')" for seen in ("tiny_swin", "tiny_clip")]
    first, second = (run(pair_of(pair))[1] for pair in pairs)
    monkeypatch.setenv("AVBENCH_PREPARED", "none")
    assert [run(pair_of(pair))[1] for pair in pairs] == [first, second]


def test_features_come_from_pictures_that_another_run_left(cache):
    from_clips = run(spec("linear_probe"))[1]
    alone = reads()["train"]
    shutil.rmtree(cache)
    run(spec("fake_adapter"))
    assert run(spec("linear_probe"))[1] == from_clips
    # Those whose costs are measured.
    assert reads()["train"] == RECIPE.batch_size < alone


def test_pictures_are_made_once_for_all_epochs_adapters_and_seeds(cache):
    run(spec("fake_adapter", epochs=3))
    assert reads()["train"] == 72 + 1, "one more for the size"
    run(spec("fake_adapter(dead=4)", seed=1))
    assert (reads()["train"], reads()["validation"]) == (0, 0)
    assert reads()["test"] == 20, "the test pass times what a clip costs"


def test_features_are_computed_once_for_all_rates(cache):
    record, _ = run(spec("linear_probe"))
    assert "features" in record.environment
    assert reads()["test"] >= 20
    run(spec("linear_probe", head_lr=1e-3))
    # Left are clips whose costs are measured: all 20 in three batches, and the first batch of each split for one clip.
    assert reads() == {"train": 8, "validation": 0, "test": 20 + 8}


def test_kept_features_are_read_without_processes_of_their_own(cache, monkeypatch):
    first = run(spec("linear_probe"), workers=2)[1]

    def refuse(*arguments):
        raise AssertionError("a loader of kept features started processes")

    monkeypatch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter", refuse)
    assert run(spec("linear_probe"), workers=2)[1] == first
    with pytest.raises(AssertionError, match="started processes"):
        run(spec("fake_adapter"), workers=2)


def test_costs_are_those_of_the_whole_model(cache, monkeypatch):
    seen = []
    forward = nn.Linear.forward

    def watching(self, x):
        if self.in_features == 3 * 4 * 4:
            seen.append(len(x))
        return forward(self, x)

    run(spec("linear_probe"))
    monkeypatch.setattr(nn.Linear, "forward", watching)
    record, _ = run(spec("linear_probe"))
    assert record.ms_per_clip > 0
    assert record.single is not None
    assert seen[:4] == [8] * 4, "three batches of the test split, the last cut short, go through the backbone"


def test_costs_are_those_of_the_whole_model_where_clips_change_in_training(cache, monkeypatch):
    """Then the splits that do not change are kept, and the test among them."""
    timed, time_batches = [], InferenceClock.time

    def watching(self, runner, batches):
        batches = list(batches)
        timed.append(batches)
        time_batches(self, runner, batches)

    monkeypatch.setattr(InferenceClock, "time", watching)
    taken = []
    monkeypatch.setattr(TrainingClock, "take_clips", lambda self, *clips: taken.append(clips))
    record, _ = run(spec("linear_probe", flip=0.5))
    assert "features" not in record.environment
    pictures = {"frames", "waveform"}
    assert [set(batch["inputs"]) >= pictures for batch in timed[0]] == [True] * 3
    assert [set(clip["inputs"]) >= pictures for clip in taken[0]] == [True, True]


def test_a_scheme_that_adapts_trains_on_pictures(cache):
    record, _ = run(spec("fake_adapter"))
    assert "features" not in record.environment


def identity(cell: RunSpec, kind: str) -> str:
    task = build_task(cell.task)
    model = build_model(cell.backbone, cell.adapter, task, seed=cell.seed, precision=cell.recipe.precision)
    return FeatureCache(cell, task, model)._identity(kind, "train", 72)


TINY = {"adapter": "linear_probe", "backbone": "tiny_vit", "task": "event_localisation"}


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"head_lr": 1e-4}, {"task": "event_localisation(head='stg_cma', label_smoothing=0.1)"}]
)
def test_runs_that_share_features(changes):
    assert identity(spec(**TINY), "features") == identity(spec(**{**TINY, **changes}), "features")


@pytest.mark.parametrize(
    "changes",
    [{"backbone": "tiny_clip"}, {"precision": "fp32"}, {"task": "retrieval"}, {"backbone": "tiny_vit(weights='none')"}],
)
def test_runs_that_do_not_share_features(changes):
    assert identity(spec(**TINY), "features") != identity(spec(**{**TINY, **changes}), "features")


def test_random_backbones_share_features_within_a_seed_only():
    cells = [spec("linear_probe", seed=seed) for seed in (0, 1)]
    assert identity(cells[0], "features") != identity(cells[1], "features")
    assert identity(cells[0], "pictures") == identity(cells[1], "pictures")


def test_pictures_do_not_depend_on_the_weights():
    assert identity(spec(**TINY), "pictures") == identity(spec(**{**TINY, "backbone": "tiny_clip"}), "pictures")


def test_large_splits_are_not_kept(cache, monkeypatch):
    monkeypatch.setattr(module, "PICTURE_BYTES", 0)
    run(spec("fake_adapter"))
    assert reads()["train"] == 2 * 72 + 1
    assert not list(cache.glob("pictures-*"))


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("AVBENCH_PREPARED")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        record, _ = run(spec("linear_probe"))
    assert record.status == "completed"
    assert "cannot be kept" in caplog.text


def test_changing_clips_are_never_kept(cache):
    cell = spec("fake_adapter")
    task = build_task(cell.task)
    model = build_model(cell.backbone, cell.adapter, task, seed=0, precision="fp32")
    clips = task.dataset("train")
    clips.begin_epoch = lambda seed: None
    assert FeatureCache(cell, task, model).clips(clips, "train") is clips


def test_a_head_that_looks_at_pictures_is_given_pictures_under_a_probe(cache, monkeypatch):
    kept = run(spec("linear_probe"))[1]
    looked_at, forward = [], FakeHead.forward

    def looking(self, encode, inputs):
        looked_at.append(inputs["audio"].shape[2:])
        return forward(self, encode, inputs)

    monkeypatch.setattr(FakeHead, "forward", looking)
    monkeypatch.setattr(FakeHead, "reads_pictures", True)
    assert run(spec("linear_probe"))[1] == kept
    assert set(looked_at) == {(3, 4, 4)}


def test_built_in_heads_leave_pictures_to_the_encoder():
    """So that a probe of theirs trains on cached features."""
    options = {"avqa": ({}, {"head": "lavish"}), "event_localisation": ({}, {"supervision": "weak"})}
    for name in names(TASKS):
        for chosen in options.get(name, ({},)):
            task = look_up(TASKS, name)(**chosen)
            assert not task.head_on(64, [Stage(32, 8, 4), Stage(64, 4, 8)]).reads_pictures, name


def test_tokens_are_kept_for_heads_that_read_them(cache):
    cell = dataclasses.replace(spec("linear_probe"))
    task = build_task(cell.task)
    model = build_model(cell.backbone, cell.adapter, task, seed=0, precision="fp32")
    preparation = FeatureCache(cell, task, model)
    assert set(preparation.clips(task.dataset("train"), "train")[0]["inputs"]["visual"]) == {"pooled", "tokens"}
    model.head.reads_tokens = False
    assert set(preparation.clips(task.dataset("train"), "train")[0]["inputs"]["visual"]) == {"pooled"}


def test_stages_are_kept_for_a_head_that_draws_and_change_no_number(cache, monkeypatch):
    monkeypatch.setattr(store, "SIZES", {"event": {"train": 16, "validation": 8, "test": 8}})
    cell = spec("linear_probe", backbone="tiny_swin", task="segmentation")
    kept = run(cell)[1]
    held = module.ItemRecords(next(path for path in cache.glob("features-*") if path.is_dir()))[0]["inputs"]
    assert held["visual"].keys() == {"pooled", "stage0", "stage1"}
    assert held["audio"].keys() == {"pooled"}
    monkeypatch.setenv("AVBENCH_PREPARED", "none")
    assert run(cell)[1] == kept
