"""The scripts that measure, without measuring."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backbones.kernels import attention
from backbones.kernels.attention import cross_attend

BENCHMARKS = Path(__file__).parents[3] / "measurements" / "speed"


def script(name: str):
    spec = importlib.util.spec_from_file_location(f"script_{name}", BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def figures(batch: int, memory_mb: float) -> dict:
    return {
        "backbone": "swin_base", "adapter": "stg_cma", "precision": "bf16", "batch": batch, "step_ms_per_clip": 7820.0,
        "step_share": 0.5427, "inference_ms_per_clip": 4200.0, "inference_share": None,
        "forward_gflops_per_clip": 852.2, "backward_gflops_per_clip": 892.3, "product_gflops_per_second": 412.5,
        "peak_memory_mb": memory_mb, "device_name": "d", "threads": 2, "load_average": 0.1, "date": "2026-11-24",
    }  # fmt: skip


def is_alive(process: int) -> bool:
    """Whether it still runs; one that was killed may wait for its parent to take notice."""
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


class TestStep:
    @pytest.fixture
    def step(self, monkeypatch):
        module = script("step")
        self.asked = []

        def measure(combination, precision, batch, device, steps, timeout, compiled):
            self.asked.append((combination, batch))
            return figures(batch, 3000.0 * batch)

        monkeypatch.setattr(module, "measure", measure)
        return module

    def run(self, step, folder: Path, *words: str) -> None:
        places = ["--results", str(folder / "r.json"), "--table", str(folder / "t.md")]
        step.main(["--only", "swin_base+stg_cma", *places, *words])

    def test_the_batch_doubles_until_memory_is_full(self, step, tmp_path, capsys):
        self.run(step, tmp_path, "--largest", "--memory-gb", "9")
        assert [batch for _, batch in self.asked] == [1, 2, 4]
        assert "| swin_base | stg_cma | bf16 | 2 | 7.82 | 54 % | 4.2 | unknown |" in (tmp_path / "t.md").read_text()

    def test_what_is_measured_is_not_measured_again(self, step, tmp_path, capsys):
        self.run(step, tmp_path)
        self.run(step, tmp_path)
        assert self.asked == [("swin_base+stg_cma", 1)]
        self.run(step, tmp_path, "--label", "next")
        assert len(self.asked) == 2
        assert (tmp_path / "t.md").read_text().count("## ") == 2

    def test_a_third_part_names_another_task(self, step):
        assert step.parts("swin_base+lavish") == ("swin_base", "lavish", step.AVE)
        assert step.parts(step.DECODER) == ("swin_large", "stg_cma", step.TASKS["avsbench"])

    def test_a_failure_is_told_and_ends_the_search(self, step, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(step, "measure", lambda *words: {"failure": "no memory"})
        self.run(step, tmp_path, "--largest")
        assert len(json.loads((tmp_path / "r.json").read_text())) == 1
        assert "no memory" in capsys.readouterr().out

    def test_a_faster_library_has_a_share_beside_that_of_torchs_own_product(self, step):
        two = figures(1, 3000.0) | {
            "step_share": 1.17, "step_share_of_fastest_product": 0.57, "inference_share_of_fastest_product": 0.65,
            "fastest_product_gflops_per_second": 825.0,
        }  # fmt: skip
        assert "| 117 %; 57 % | 4.2 | unknown; 65 % |" in step.row(two)
        assert "| 412; 825 |" in step.row(two)

    @pytest.mark.skipif(not Path("/proc").exists(), reason="tells by /proc whether a process runs")
    def test_nothing_of_a_measurement_that_took_too_long_goes_on(self, tmp_path, monkeypatch):
        module, told = script("step"), tmp_path / "child"
        child = "import time; time.sleep(600)"
        parent = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        parent += f"open({str(told)!r}, 'w').write(str(p.pid)); p.wait()"
        stand_in = tmp_path / "python"
        stand_in.write_text(f"#!{sys.executable}\n{parent}\n")
        stand_in.chmod(0o755)
        monkeypatch.setattr(module.sys, "executable", str(stand_in))
        assert module.measure("a+b", "bf16", 1, "cpu", 1, timeout=3) == {"failure": "took longer than 3 s"}
        for _ in range(100):
            if not is_alive(int(told.read_text())):
                return
            time.sleep(0.1)
        pytest.fail("its child still runs")

    def test_the_standard_set(self, step):
        assert len(step.COMBINATIONS) == 12


class TestScaling:
    def test_the_exponent_is_the_slope_of_logarithms(self):
        scaling = script("scaling")
        assert scaling.exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)
        assert scaling.exponent([1, 3], [5, 5]) == pytest.approx(0)

    def test_points_and_table(self):
        scaling = script("scaling")
        assert [p.segments for p in scaling.points("segments", "lavish")] == [2, 4, 8, 16, 32]
        assert {p.adapter for p in scaling.points("exchange", "lavish")} == {""}
        text = scaling.table("side", "lavish", [scaling.Cost(s, 2 * s) for s in (49.0, 196.0, 441.0, 784.0)])
        assert "| 112 (49 tokens) | 49.000 | 98 |" in text
        assert "Exponent in tokens: time 1.00, memory 1.00." in text

    def test_one_step_of_the_exchange_goes_both_ways_and_back(self, monkeypatch):
        scaling, exchanged, gradients = script("scaling"), [], []

        def attend(query, tokens):
            exchanged.append((query, tokens))
            query.register_hook(lambda gradient: gradients.append(gradient.shape))
            return cross_attend(query, tokens)

        monkeypatch.setattr(scaling, "cross_attend", attend)
        step = scaling._exchange_step(scaling.Point(segments=1, tokens=8))
        step()
        (heard, seen), (seen_again, heard_again) = exchanged
        assert heard is heard_again
        assert seen is seen_again
        assert gradients == [(1, 1, 8, scaling.CODE)] * 2


class TestInTurn:
    def test_every_value_has_its_steps_in_turn_and_the_constant_comes_back(self, monkeypatch):
        module, seen = script("in_turn"), []
        before = attention.CACHED
        clock = iter(range(100))
        monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock) ** 2)
        seconds = module.in_turn(
            lambda: seen.append(attention.CACHED),
            "backbones.kernels.attention",
            "CACHED",
            ["2**4", "LEAST_PLAIN_ROWS"],
            1,
            2,
        )
        assert seen == [16, attention.LEAST_PLAIN_ROWS] * 3
        assert seconds == [[3**2 - 2**2, 7**2 - 6**2], [5**2 - 4**2, 9**2 - 8**2]]
        assert before == attention.CACHED

    def test_a_value_is_compared_with_its_neighbour(self):
        text = script("in_turn").table(["a", "b"], [[1.0, 2.0, 4.0], [0.5, 1.0, 4.0]])
        assert "| `a` | 2000.0 | 1000.0 | 100.0 % |" in text
        assert "| `b` | 1000.0 | 500.0 | 50.0 % |" in text

    def test_a_combination_is_measured(self):
        words = [
            "backbones.kernels.attention",
            "CACHED",
            "2**4",
            "2**20",
            "--backbone",
            "tiny_vit",
            "--adapter",
            "linear_probe",
        ]
        words += ["--task", "event_localisation", "--steps", "1", "--inference"]
        done = subprocess.run(
            [sys.executable, BENCHMARKS / "in_turn.py", *words], capture_output=True, text=True, check=True
        )
        assert "| `2**20` |" in done.stdout
