"""What arguments shared by several verbs are given, and what they say of it."""

from __future__ import annotations

import argparse

import pytest

from benchmark.cli.arguments import add_weights, weight_files
from registry import UserError


def asked(*texts: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_weights(parser)
    return parser.parse_args([part for text in texts for part in ("--weights", text)])


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((), None),
        (("vit.pth",), "vit.pth"),
        (("audio=ast.pth",), {"audio": "ast.pth"}),
        (("visual=vit=1.pth", "audio=ast.pth"), {"visual": "vit=1.pth", "audio": "ast.pth"}),
        (("rank=8.pth",), "rank=8.pth"),
    ],
)
def test_files_of_weights_are_one_or_by_tower(texts: tuple[str, ...], found: object) -> None:
    assert weight_files(asked(*texts)) == found


@pytest.mark.parametrize("texts", [("a.pth", "b.pth"), ("a.pth", "audio=b.pth"), ("audio=a.pth", "audio=b.pth")])
def test_several_files_of_one_backbone_are_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="give one, or visual=FILE and audio=FILE"):
        weight_files(asked(*texts))
