"""Small records to build boards from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from registry.vocabulary import ItemScore
from results.record import Failure, Parameters, RunRecord


def make_record(**changes: Any) -> RunRecord:
    """A completed run of one cell; its hash follows from what tells it apart."""
    values: dict[str, Any] = {
        "backbone": "tiny_vit",
        "adapter": "linear_probe",
        "task": "avqa",
        "seed": 0,
        "recipe": {"epochs": 2},
        "protocol": "validation",
        "status": "completed",
        "data": "synthetic@1",
        "labels": ["synthetic data"],
        "primary_metric": "accuracy",
        "scores": {"accuracy": 50.0},
        "parameters": Parameters(backbone=1_000_000, adapter=0, head=2_000),
        "gflops": 0.25,
        "peak_memory_mb": 300.0,
        "ms_per_clip": 4.0,
        "train_seconds": 20.0,
    }
    values |= changes
    if values["status"] == "failed":
        values = {"failure": Failure("error", "it broke"), **values} | {"scores": {}}
    slug = "-".join(str(values[part]) for part in ("task", "backbone", "adapter", "seed", "status"))
    named = {"hash": "".join(char if char.isalnum() else "_" for char in slug), "slug": slug}
    return RunRecord(**(named | values))


def plausible_grid(seeds: tuple[int, ...] = (0, 1, 2)) -> tuple[list[RunRecord], dict[str, list[ItemScore]]]:
    """Three tasks, three backbones, four adapters: invented numbers of a believable shape, and their items."""
    generator = np.random.default_rng(7)
    tasks = {"avqa": ("answer_accuracy", 46, 9_000), "event_localisation": ("segment_accuracy", 60, 1_500)}
    tasks["retrieval"] = ("recall_at_5", 30, 12_000)
    backbones = {"tiny_clip": (3, 620_000), "tiny_swin": (2, 540_000), "tiny_vit": (0, 480_000)}
    adapters = {
        "bottleneck": (5, 21_000),
        "lavish(latents=4)": (8, 34_500),
        "linear_probe": (0, 0),
        "stg_cma": (11, 48_300),
    }
    records, items = [], {}
    for task, (metric, base, head) in tasks.items():
        for backbone, (lift, frozen) in backbones.items():
            for adapter, (gain, size) in adapters.items():
                level = base + lift + gain + generator.normal(0, 2)
                for seed in seeds:
                    chance = np.clip((level + generator.normal(0, 1)) / 100, 0, 1)
                    hits = (generator.random(200) < chance).astype(float)
                    record = make_record(
                        task=task,
                        backbone=backbone,
                        adapter=adapter,
                        seed=seed,
                        primary_metric=metric,
                        scores={metric: 100 * float(hits.mean())},
                        parameters=Parameters(frozen, int(size * (0.8 + lift / 8)), head),
                        train_seconds=15.0 + size / 1000,
                    )
                    records.append(record)
                    items[record.hash] = [ItemScore(f"clip{i}", float(hit)) for i, hit in enumerate(hits)]
    assert all(math.isfinite(record.scores[record.primary_metric]) for record in records)
    return records, items


@pytest.fixture
def record() -> Callable[..., RunRecord]:
    return make_record


@pytest.fixture(scope="session")
def grid() -> tuple[list[RunRecord], dict[str, list[ItemScore]]]:
    return plausible_grid()
