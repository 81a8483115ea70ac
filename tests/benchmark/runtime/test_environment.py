from __future__ import annotations

import json
import platform
import subprocess

import pytest
import torch

from benchmark.runtime import environment as module
from benchmark.runtime.environment import environment


@pytest.fixture(autouse=True)
def _fresh():
    module._checkout.cache_clear()
    yield
    module._checkout.cache_clear()


def test_facts_are_plain_and_true():
    facts = environment("cpu")
    assert json.loads(json.dumps(facts)) == facts
    assert facts["versions"]["torch"] == torch.__version__.partition("+")[0] or torch.__version__
    assert facts["python"] == platform.python_version()
    assert facts["threads"] == torch.get_num_threads()
    assert facts["device_name"]


def git(folder, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_is_the_packages_own(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    facts = environment("cpu")
    assert (facts["commit"], facts["dirty"]) == (git(tmp_path, "rev-parse", "HEAD"), False)
    (tmp_path / "new.py").touch()
    module._checkout.cache_clear()
    assert environment("cpu")["dirty"] is True


def test_a_folder_inside_another_checkout_has_no_commit(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    (tmp_path / "installed").mkdir()
    monkeypatch.setattr(module, "_ROOT", tmp_path / "installed")
    facts = environment("cpu")
    assert (facts["commit"], facts["dirty"]) == (None, None)
