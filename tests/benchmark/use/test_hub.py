"""Against a stub of the hub on loopback; nothing leaves the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from stub_hub import COMMIT, TOKEN, Repository, StubHub, stub_hub

from benchmark.__main__ import main
from benchmark.kept.config import KeptConfig, ModelFacts
from benchmark.kept.folder import write_folder
from benchmark.runtime.tensor_digest import tensors_sha256
from benchmark.use import hub as hub_module
from benchmark.use.find import find_folder
from benchmark.use.hub import LARGEST, plan_pull, plan_push, pull, push
from registry.errors import UserError

NAME = "me/my-adapter"
TENSORS = {"adapter.weight": torch.arange(6.0).reshape(2, 3)}
FACTS = ModelFacts(
    labels=["dog", "cat"], classes=["dog", "cat"], answers=[], words=[], questions=0, words_of_a_question=0, segments=2,
    seconds=2.0, sampling="middle", window=1.0, picture={}, precision="fp32",
)  # fmt: skip
CONFIG = KeptConfig(
    backbone="tiny_vit", adapter="stg_cma(ratio=0.25)", task="event_localisation", model=FACTS, hash="ab12cd34", seed=0,
    recipe={"epochs": 1}, protocol="validation", data="synthetic@1", weights={}, tensors_sha256=tensors_sha256(TENSORS),
)  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A kept adapter, with a file beside it that is nobody's business."""
    folder = tmp_path / "runs" / "adapters" / "mine"
    write_folder(folder, CONFIG, TENSORS)
    (folder / "notes.txt").write_text("private")
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubHub]:
    with stub_hub() as hub:
        pages = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pages)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture
def published(hub: StubHub, kept: Path) -> Repository:
    hub.repositories[NAME] = Repository(False, {name: (kept / name).read_bytes() for name in LARGEST})
    return hub.repositories[NAME]


def everything_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


class TestPush:
    def test_three_files_go_to_a_private_repository(self, hub: StubHub, kept: Path) -> None:
        done = push(kept, NAME)
        assert (done.private, done.commit) == (True, COMMIT)
        assert hub.repositories[NAME].private
        assert hub.repositories[NAME].files == {name: (kept / name).read_bytes() for name in LARGEST}

    def test_a_public_one_is_asked_for(self, hub: StubHub, kept: Path) -> None:
        assert not push(kept, NAME, private=False).private
        assert not hub.repositories[NAME].private

    def test_one_that_is_public_already_gets_nothing_by_oversight(self, hub: StubHub, kept: Path) -> None:
        hub.repositories[NAME] = Repository(private=False)
        with pytest.raises(UserError, match="is there and public; say --public"):
            push(kept, NAME)
        assert hub.repositories[NAME].files == {}

    def test_a_second_push_is_another_commit(self, hub: StubHub, kept: Path) -> None:
        push(kept, NAME)
        (kept / "README.md").write_text("---\n---\nBetter told.")
        push(kept, NAME)
        assert hub.repositories[NAME].files["README.md"] == b"---\n---\nBetter told."

    def test_a_dry_run_asks_nothing_of_the_hub(self, hub: StubHub, kept: Path) -> None:
        planned = plan_push(kept, NAME)
        assert planned.files == {name: (kept / name).stat().st_size for name in LARGEST}
        assert (planned.private, planned.url, hub.asked) == (True, f"{hub.endpoint}/{NAME}", [])

    def test_without_a_token_there_is_one_line_with_the_mend(self, hub: StubHub, kept: Path, monkeypatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
        with pytest.raises(UserError, match=rf"cannot push {NAME}: .*log in with `hf auth login`, or set HF_TOKEN"):
            push(kept, NAME)
        assert hub.repositories == {}

    def test_what_is_no_kept_adapter_is_refused_before_anything_is_asked(self, hub: StubHub, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"cannot read .*config\.json"):
            push(tmp_path, NAME)
        assert hub.asked == []

    @pytest.mark.parametrize(
        "damage", [lambda whole: whole[:-3], lambda whole: whole[:-1] + b"\x01", lambda whole: b""]
    )
    def test_damaged_tensors_are_found_before_they_are_published(self, damage, hub: StubHub, kept: Path) -> None:
        path = kept / "model.safetensors"
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
            plan_push(kept, NAME)


class TestPull:
    def test_what_was_pushed_comes_back(self, hub: StubHub, kept: Path, tmp_path: Path) -> None:
        push(kept, NAME)
        folder = pull(NAME, to=tmp_path / "mine")
        assert folder == tmp_path / "mine"
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == hub.repositories[NAME].files
        assert not any(path.is_symlink() for path in folder.iterdir())

    def test_into_the_cache_and_from_there_without_a_hub(
        self, published: Repository, hub: StubHub, monkeypatch
    ) -> None:
        folder = pull(NAME)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        hub.asked.clear()
        assert pull(NAME) == pull(NAME, revision=COMMIT) == folder
        assert hub.asked == []

    def test_only_files_of_ours_are_fetched(self, published: Repository, hub: StubHub, tmp_path: Path) -> None:
        strange = ["code.py", "../outside.json", "/etc/outside", "sub/config.json", "pytorch_model.bin", ".ssh/config"]
        published.files |= dict.fromkeys(strange, b"import os; os.abort()")
        before = everything_below(tmp_path)
        pull(NAME)
        assert {path.name for path in everything_below(tmp_path / "cache") if path.is_symlink()} == set(LARGEST)
        assert all(path.is_relative_to(tmp_path / "cache") for path in everything_below(tmp_path) - before)
        assert not any(f"/{name}" in path for name in strange for path in hub.asked if "/resolve/" in path)

    @pytest.mark.parametrize("name", LARGEST)
    def test_a_file_that_is_said_to_be_too_large_is_not_fetched(
        self, name: str, published: Repository, hub: StubHub
    ) -> None:
        published.said_sizes[name] = LARGEST[name] + 1
        with pytest.raises(UserError, match=rf"{name} of {NAME} has .*B, expected .*B at most; it is not used"):
            pull(NAME)
        assert not any("/resolve/" in path for path in hub.asked)

    def test_nor_is_one_used_that_turns_out_so(self, published: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(LARGEST, "README.md", 10)
        published.said_sizes["README.md"] = 5
        with pytest.raises(UserError, match=r"README\.md of .* expected 10 B at most"):
            pull(NAME)

    def test_a_repository_of_something_else(self, hub: StubHub) -> None:
        hub.repositories[NAME] = Repository(False, {"config.json": b"{}"})
        with pytest.raises(UserError, match=r"has no model\.safetensors, so it is no adapter of this project"):
            pull(NAME)

    def test_a_config_of_something_else(self, published: Repository) -> None:
        published.files["config.json"] = b'{"model_type": "bert"}'
        with pytest.raises(UserError, match=r"config\.json cannot be used"):
            pull(NAME)

    def test_a_repository_that_is_not_there(self, hub: StubHub) -> None:
        with pytest.raises(UserError, match=f"cannot pull {NAME}: 404"):
            pull(NAME)

    @pytest.mark.parametrize("name", ["../../etc", "me/../you", "a/b/c", "", "https://elsewhere.example/me/mine"])
    def test_a_name_that_is_none(self, name: str, hub: StubHub) -> None:
        with pytest.raises(UserError, match="is no name of a repository"):
            pull(name)
        assert hub.asked == []

    def test_a_folder_that_is_there_stays_as_it_is(self, published: Repository, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="is there already"):
            pull(NAME, to=tmp_path)

    def test_a_model_is_loaded_by_the_name_of_its_repository(self, published: Repository) -> None:
        assert find_folder(NAME, None, None)[0] == pull(NAME)

    def test_a_dry_run_fetches_nothing(self, published: Repository, hub: StubHub) -> None:
        assert plan_pull(NAME).files == {name: len(content) for name, content in published.files.items()}
        assert not any("/resolve/" in path for path in hub.asked)


class TestOutOfReach:
    def test_offline_is_told_with_the_variable(self, hub: StubHub, kept: Path, monkeypatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        for act in (lambda: push(kept, NAME), lambda: pull(NAME), lambda: plan_pull(NAME)):
            with pytest.raises(UserError, match=r"HF_HUB_OFFLINE is set.*; unset it to reach http://127"):
                act()
        assert hub.asked == []

    def test_a_hub_that_does_not_answer_keeps_nobody_waiting(self, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub_module, "hub_answers", lambda: False)
        with pytest.raises(UserError, match="does not answer within 1 s; see the network, or HF_ENDPOINT"):
            push(kept, NAME)


class TestVerbs:
    def run(self, hub: StubHub, tmp_path: Path, *commands: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        """Several commands one after the other in one process, which reads its variables when it starts."""
        told = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        asked = f"import sys; from benchmark.__main__ import main; sys.exit(max(main(words) for words in {commands!r}))"
        command = [sys.executable, "-c", asked]
        environment = {**os.environ, "HF_TOKEN": TOKEN, **told, **more}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def test_a_dry_run_of_the_command_asks_nothing(
        self, hub: StubHub, kept: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["push", str(kept), NAME, "--dry-run"]) == 0
        assert capsys.readouterr().out.startswith(f"would push to {hub.endpoint}/{NAME} (private):\n  config.json")
        assert hub.asked == []

    def test_push_and_pull_through_the_real_command(self, kept: Path, tmp_path: Path) -> None:
        with stub_hub() as hub:
            commands = ["push", str(kept), NAME], ["pull", NAME, "--to", str(tmp_path / "mine")]
            told = self.run(hub, tmp_path, *commands)
            assert told.returncode == 0, told.stderr
            assert told.stdout.startswith(f"pushed to {hub.endpoint}/{NAME} (private):")
            assert told.stdout.endswith(f"\n{tmp_path / 'mine'}\n")
            offline = self.run(hub, tmp_path, ["pull", "me/another"], HF_HUB_OFFLINE="1")
            assert offline.returncode == 2
            assert offline.stderr.count("\n") == 1
