"""The other verbs, and what all verbs share."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from queued_cells import cell

import benchmark
from benchmark.__main__ import main
from benchmark.launch.plan import Plan, write_plan

VERBS = (
    "run", "list", "describe", "profile", "leaderboard", "compare", "predict", "embed", "status", "pretrain", "data",
    "verify", "search", "push", "pull", "doctor",
)  # fmt: skip


def one_error_line(capsys) -> str:
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return str(error)


def test_without_a_verb_there_is_help(capsys) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"    {verb}" in out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  python -m benchmark {verb}" in capsys.readouterr().out


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("av-adapter-bench ")


def test_an_unknown_verb_is_one_line_with_the_list(capsys) -> None:
    assert main(["rnu"]) == 2
    assert "'leaderboard'" in one_error_line(capsys)


def test_help_names_the_environment_variables(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in ("AVBENCH_CACHE", "AVBENCH_PREPARED"))


def test_help_and_mistakes_do_not_wait_for_torch() -> None:
    script = (
        "import sys; from benchmark.__main__ import main; status = main(['run', '--jobs', 'x']);"
        "print(status, sorted({'torch', 'mmengine', 'timm', 'rich', 'matplotlib'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "2 []"


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m benchmark run --help | true"
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert ended.stderr == ""


class TestList:
    def test_names_options_and_first_lines(self, fakes: str, capsys) -> None:
        assert main(["list", "--plugin", fakes]) == 0
        out = capsys.readouterr().out
        assert "A backbone in name." in out
        assert "second line" not in out
        assert "mood='well', size=None" in out
        assert "linear_probe" in out

    def test_one_kind_as_json(self, fakes: str, capsys) -> None:
        assert main(["list", "tasks", "--json", "--plugin", fakes]) == 0
        listed = json.loads(capsys.readouterr().out)
        assert list(listed) == ["tasks"]
        fake = next(entry for entry in listed["tasks"] if entry["name"] == "fake_task")
        assert fake == {
            "name": "fake_task",
            "options": {"data": "synthetic", "clips": 8},
            "summary": "A task without clips.",
        }

    def test_an_unknown_kind(self, capsys) -> None:
        assert main(["list", "heads"]) == 2
        assert "'backbones', 'adapters', 'tasks'" in one_error_line(capsys)


class TestDescribe:
    WORDS = ("describe", "--backbone", "fake_backbone", "--adapter", "fake_adapter(mood='well')", "--task", "fake_task")

    @pytest.fixture(autouse=True)
    def _described(self, fakes: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from benchmark.cost import describe

        facts = {"adapter": 1234567, "trainable_percent": 1.23456, "gflops": None, "asked": ""}
        monkeypatch.setattr(
            describe, "describe", lambda *components: {**facts, "asked": " ".join(map(str, components))}
        )

    def test_as_text(self, capsys) -> None:
        assert main(list(self.WORDS)) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["adapter", "1,234,567"]
        assert lines[1].split() == ["trainable", "percent", "1.235"]
        assert lines[2].split() == ["gflops", "unknown"]

    def test_as_json_with_canonical_components(self, capsys) -> None:
        assert main([*self.WORDS, "--json"]) == 0
        described = json.loads(capsys.readouterr().out)
        assert described["asked"] == "fake_backbone fake_adapter fake_task"
        assert described["gflops"] is None

    def test_a_missing_part(self, capsys) -> None:
        assert main(["describe", "--backbone", "fake_backbone"]) == 2
        assert "--adapter, --task" in one_error_line(capsys)


class TestProfile:
    WORDS = ("profile", "--backbone", "fake_backbone", "--adapter", "fake_adapter", "--task", "fake_task")

    @pytest.fixture(autouse=True)
    def _profiled(self, fakes: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from benchmark.profile import profile as profiling

        self.asked: list[profiling.ProfileRequest] = []
        figures = {
            "labels": ["random weights"], "backbone": "b", "adapter": "a", "task": "t", "batch": 4, "precision": "bf16",
            "checkpointing": "none", "compile": "blocks",
            "kernels": [{"name": "aten::mm", "calls": 12, "ms": 3.14159, "share": 0.2512}],
            "steps": 5, "device_name": "d", "threads": 2, "load_average": 0.5, "date": "2026-11-24",
            "step_ms_per_clip": 1234.5, "inference_ms_per_clip": 0.123, "data_wait": None, "peak_memory_mb": 4755.1,
            "forward_gflops_per_clip": None, "backward_gflops_per_clip": 0.0, "product_gflops_per_second": 412.5,
            "fastest_product_gflops_per_second": 412.5,
            "step_share": 0.5427, "inference_share": None,
        }  # fmt: skip
        self.figures = figures
        monkeypatch.setattr(profiling, "profile_cell", lambda asked: self.asked.append(asked) or figures)

    def test_as_text(self, capsys) -> None:
        assert main([*self.WORDS, "--device", "cpu"]) == 0
        lines = {
            line.partition("  ")[0]: line.partition("  ")[2].strip() for line in capsys.readouterr().out.splitlines()
        }
        assert lines["labels"] == "random weights"
        assert lines["training"] == "1,234 ms per clip"
        assert lines["training reaches"] == "54.3 % of it"
        assert lines["inference reaches"] == "unknown of it"
        assert lines["forward"] == "unknown GFLOP per clip"
        assert lines["blocks"] == "checkpointing none, compile blocks"
        assert lines["25.1 %"].split() == ["3.14", "12", "aten::mm"]

    def test_a_faster_library_has_its_own_share(self, capsys) -> None:
        self.figures |= {
            "fastest_product_gflops_per_second": 825.0, "step_share": 1.2, "step_share_of_fastest_product": 0.6,
            "inference_share_of_fastest_product": None,
        }  # fmt: skip
        assert main([*self.WORDS, "--device", "cpu"]) == 0
        out = capsys.readouterr().out
        assert "412 GFLOP/s as torch multiplies, 825 by oneDNN" in out
        assert "120.0 % of the first, 60.0 % of the second" in out

    def test_as_json_and_as_asked(self, capsys) -> None:
        amounts, how = ("--batch", "4", "--steps", "7"), ("--precision", "fp32", "--checkpointing", "blocks")
        assert (
            main(
                [
                    *self.WORDS,
                    *amounts,
                    *how,
                    "--compile",
                    "blocks",
                    "--kernels",
                    "--with-data",
                    "--json",
                    "--device",
                    "cpu",
                ]
            )
            == 0
        )
        assert json.loads(capsys.readouterr().out)["product_gflops_per_second"] == 412.5
        (asked,) = self.asked
        assert (asked.batch, asked.precision, asked.steps, asked.data, asked.device) == (4, "fp32", 7, True, "cpu")
        assert (asked.checkpointing, asked.compile, asked.kernels) == ("blocks", "blocks", True)
        assert not asked.pretrained

    @pytest.mark.parametrize("words", [("--batch", "0"), ("--precision", "fp8"), ("--steps", "x")])
    def test_mistakes(self, words: tuple[str, str], capsys) -> None:
        assert main([*self.WORDS, *words]) == 2
        assert words[0] in one_error_line(capsys)


@pytest.mark.parametrize("verb", ["leaderboard", "status"])
def test_an_output_that_is_not_there(verb: str, capsys, tmp_path: Path) -> None:
    assert main([verb, "--output", str(tmp_path / "no")]) == 2
    assert "there is no folder" in one_error_line(capsys)


def test_a_leaderboard_without_records_says_so(capsys, tmp_path: Path) -> None:
    assert main(["leaderboard", "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "holds no records yet" in out
    assert "leaderboard.md" in out


def test_status_without_a_grid(capsys, tmp_path: Path) -> None:
    assert main(["status", "--output", str(tmp_path)]) == 2
    assert "has no plan.json" in one_error_line(capsys)


def test_a_plan_that_cannot_be_read_is_not_called_absent(capsys, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{")
    assert main(["status", "--output", str(tmp_path)]) == 2
    assert "plan.json is not a readable plan" in one_error_line(capsys)


def test_status_of_one_cell_is_no_plural(capsys, tmp_path: Path) -> None:
    write_plan(tmp_path, Plan((cell("abc"),)))
    assert main(["status", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("1 cell: 1 waiting\n")


def test_a_sample_is_exported_as_asked(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.sample import export

    asked: list[object] = []
    monkeypatch.setattr(export, "export_sample", lambda *words, layout: asked.extend([*words, layout]))
    assert main(["data", "sample", str(tmp_path), "--clips", "7", "--seed", "3", "--layout", "ave_h5"]) == 0
    assert asked == [tmp_path, 7, 3, "ave_h5"]
    assert f"--task event_localisation --set data={tmp_path}" in capsys.readouterr().out


def test_the_help_of_sample_names_every_layout(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["data", "sample", "--help"])
    assert set(benchmark.LAYOUTS) <= set(re.findall(r"\w+", capsys.readouterr().out))


class TestPretrain:
    @pytest.fixture(autouse=True)
    def _pretended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from benchmark.pretrain import pretrain as pretraining

        def pretend(name, output, steps, seed, report):
            report(1, 1, 0.25)
            return {"backbone": name, "steps": steps, "seed": seed}

        monkeypatch.setattr(pretraining, "pretrain_backbone", pretend)

    def test_what_was_reached_lies_beside_the_weights(self, capsys, tmp_path: Path) -> None:
        words = ["pretrain", "tiny_vit", "--output", str(tmp_path), "--steps", "5", "--seed", "2"]
        assert main(words) == 0
        assert json.loads((tmp_path / "tiny_vit.json").read_text()) == {"backbone": "tiny_vit", "steps": 5, "seed": 2}
        assert "tiny_vit: step 1 of 1, loss 0.250" in capsys.readouterr().out

    def test_an_unknown_name(self, capsys) -> None:
        assert main(["pretrain", "tiny_vti"]) == 2
        assert "Did you mean tiny_vit" in one_error_line(capsys)
