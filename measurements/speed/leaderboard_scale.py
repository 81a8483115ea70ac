"""How long a leaderboard of many records takes to build, and how quickly its page answers.

    python measurements/speed/leaderboard_scale.py --records 10000 --items 500 [--browser]

Invented records: three tasks, ten backbones, adapters in many sizes, three seeds each, with test items and learning
curves. `--browser` opens the page in Debian's Chromium (see `make test-browser`) and times what a person does there.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from results import leaderboard
from results.record import Parameters, RunRecord, SingleClip
from results.store.serialise import to_json
from results.store.store import Store

TASKS = {"avqa": "answer_accuracy", "event_localisation": "segment_accuracy", "retrieval": "recall_at_1"}
BACKBONES, SEEDS, KINDS, EPOCHS = 10, 3, 9, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=500, help="test items of each run")
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--output", type=Path, help="kept; a temporary folder by default")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.output or Path(temporary)
        invent(folder, asked.records, asked.items)
        begun, busy = time.perf_counter(), time.process_time()
        summary = leaderboard.write(folder, Store(folder))
        seconds, busy = time.perf_counter() - begun, time.process_time() - busy
        what = f"{asked.records} records of {asked.items} items: {summary.rows} rows"
        print(f"{what} written in {seconds:.1f} s, {busy:.1f} s of them on the processor")
        page = folder / "leaderboard.html"
        print(f"page: {page.stat().st_size / 1e6:.1f} MB")
        if asked.browser:
            use(page)


def invent(folder: Path, records: int, items: int) -> None:
    """Write records and items as files, quicker than a store would."""
    generator = np.random.default_rng(0)
    for part in ("records", "items"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    sizes = -(-records // (len(TASKS) * BACKBONES * SEEDS))
    cells = (
        (t, b, size, seed) for t in TASKS for b in range(BACKBONES) for size in range(sizes) for seed in range(SEEDS)
    )
    for number, (task, backbone, size, seed) in zip(range(records), cells, strict=False):
        level = 0.4 + 0.02 * backbone + 0.25 * size / sizes + generator.normal(0, 0.01)
        right = (generator.random(items) < level).astype(float)
        record = _record(task, backbone, size, seed, 100 * float(right.mean()))
        (folder / "records" / f"{record.hash}.json").write_text(to_json(record))
        entries = [{"item": f"clip{i:05d}", "score": r, "kind": f"kind {i % KINDS}"} for i, r in enumerate(right)]
        content = gzip.compress(json.dumps(entries).encode(), compresslevel=1)
        (folder / "items" / f"{record.hash}.json.gz").write_bytes(content)
        if number % 2000 == 0:
            print(f"  {number} records invented", flush=True)


def _record(task: str, backbone: int, size: int, seed: int, score: float) -> RunRecord:
    metric = TASKS[task]
    parameters = Parameters(10**6 * (backbone + 1), 500 * size, 9_000)
    record = RunRecord(
        hash=f"{task}-{backbone}-{size}-{seed}",
        slug=f"{task}-{backbone}-{size}-{seed}",
        backbone=f"backbone_{backbone}",
        adapter="linear_probe" if size == 0 else f"family_{size % 7}(size={size})",
        task=task,
        seed=seed,
        recipe={"epochs": EPOCHS, "adapter_lr": 1e-3, "batch_size": 8},
        protocol="validation",
        status="completed",
        data="invented@1",
        labels=["invented numbers"],
        primary_metric=metric,
        best_epoch=EPOCHS,
        scores={metric: score},
        history=[
            {"epoch": e, "train_loss": 3 / e, "seconds": 1.0, metric: score * (1 - 0.5**e)}
            for e in range(1, EPOCHS + 1)
        ],
        parameters=parameters,
        gflops=0.25 * (backbone + 1),
        peak_memory_mb=300.0 + size,
        ms_per_clip=4.0 + backbone,
        train_seconds=60.0,
    )
    return replace(record, single=SingleClip(250.0, 9.0, 3.0), checkpoint_bytes=4 * parameters.trainable)


def use(page: Path) -> None:
    """Time what a person does on the page, in milliseconds until the browser has painted it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
    ):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        begun = time.perf_counter()
        browser.get(page.as_uri())
        print(f"open, table shown: {1000 * (time.perf_counter() - begun):.0f} ms")
        browser.execute_async_script("const done = arguments[0]; redraw().then(() => done())")
        print(f"open, plot drawn: {1000 * (time.perf_counter() - begun):.0f} ms")
        actions = {
            "sort": "sortBy('mean')",
            "next page": "document.getElementById('next').click()",
            "filter by text": "change({text: 'family_3'})",
            "all tasks": "change({task: '', text: ''})",
            "other axes": "change({x: 'peak_memory_mb'})",
            "open a record": "openRecord(0)",
        }
        for name, action in actions.items():
            script = f"const done = arguments[0], t = performance.now(); {action}; " + (
                "requestAnimationFrame(() => setTimeout(() => done(performance.now() - t)))"
            )
            print(f"{name}: {browser.execute_async_script(script):.0f} ms")
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
