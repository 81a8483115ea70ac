"""The default head: each token draws its own patch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from registry.vocabulary import Features, Stage
from tasks.segmentation.head import PatchDrawer, as_map


def test_a_map_leaves_class_tokens_out():
    tokens = torch.arange(10.0).view(1, 1, 10, 1)
    assert as_map(tokens)[0, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_a_token_draws_where_its_patch_is():
    """One lit token of a 4 x 4 grid marks its quarter of a picture of 16 pixels, and little else."""
    head = PatchDrawer((Stage(2, 4, 4),), side=16)
    head.norm[0] = nn.Identity()
    with torch.no_grad():
        head.draw[0].weight.copy_(torch.tensor([[1.0, 0.0]] * 4))
        head.draw[0].bias.fill_(-1.0)
    tokens = torch.zeros(1, 1, 16, 2)
    tokens[0, 0, 4 * 1 + 2, 0] = 2.0
    encode = lambda pictures: {m: Features(tokens, tokens.mean(2), (tokens,)) for m in pictures}  # noqa: E731
    logits = head(encode, {"visual": torch.zeros(1, 1, 3, 16, 16), "audio": torch.zeros(1, 1, 3, 16, 16)})["logits"]
    assert logits.shape == (1, 1, 16, 16)
    marked = (logits[0, 0] > 0).nonzero()
    assert marked.min(0).values.tolist() == [4, 8]
    assert marked.max(0).values.tolist() == [7, 11]


@pytest.mark.parametrize("side", [16, 24, 224])
def test_logits_have_the_size_of_masks_not_of_pictures(side):
    head = PatchDrawer((Stage(6, 4, 4), Stage(8, 2, 8)), side)
    stages = (torch.randn(2, 3, 16, 6), torch.randn(2, 3, 4, 8))
    encode = lambda pictures: {m: Features(stages[-1], stages[-1].mean(2), stages) for m in pictures}  # noqa: E731
    outputs = head(encode, {"visual": torch.zeros(2, 3, 3, 16, 16), "audio": torch.zeros(2, 3, 3, 16, 16)})
    assert outputs["logits"].shape == (2, 3, side, side)


def test_predictions_are_numbers_of_annotated_frames_alone():
    head = PatchDrawer((Stage(6, 4, 4),), 8)
    masks, annotated = torch.ones(1, 3, 8, 8, dtype=torch.uint8), torch.tensor([[True, False, True]])
    targets = {"id": ["a"], "masks": masks, "annotated": annotated}
    (prediction,) = head.predict({"logits": torch.ones(1, 3, 8, 8)}, targets)
    assert prediction["counts"].iou.shape == (2,)
    assert prediction["counts"].marked.shape == (2, 255)
    assert prediction["category"] == -1
