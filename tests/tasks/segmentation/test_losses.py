"""Losses of segmentation; official values are in tests/golden/avs."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tasks.segmentation.losses import audio_matching, pixel_loss


def test_frames_without_a_mask_do_not_count():
    generator = torch.Generator().manual_seed(0)
    logits, masks = torch.randn(2, 3, 4, 4, generator=generator), torch.ones(2, 3, 4, 4, dtype=torch.uint8)
    annotated = torch.tensor([[True, False, False], [True, False, False]])
    expected = F.binary_cross_entropy(logits[:, 0].sigmoid(), torch.ones(2, 4, 4))
    torch.testing.assert_close(pixel_loss(logits, masks, annotated), expected)
    assert not torch.equal(pixel_loss(logits, masks, torch.ones(2, 3, dtype=torch.bool)), expected)


def test_saturated_pixels_keep_a_gradient():
    logits = torch.full((1, 1, 2, 2), -90.0, requires_grad=True)
    pixel_loss(logits, torch.ones(1, 1, 2, 2), torch.ones(1, 1, dtype=torch.bool)).backward()
    assert (logits.grad < -0.2).all()


def test_matching_is_summed_over_frames_and_averaged_over_stages():
    generator = torch.Generator().manual_seed(0)
    logits, visual, sound = (torch.randn(*shape, generator=generator) for shape in ((2, 1, 8, 8), (2, 3, 4, 4), (2, 3)))
    once = audio_matching(logits, [visual], [sound])
    twice = audio_matching(logits.repeat(2, 1, 1, 1), [visual.repeat(2, 1, 1, 1)], [sound.repeat(2, 1)])
    torch.testing.assert_close(twice, 2 * once)
    torch.testing.assert_close(audio_matching(logits, [visual, visual], [sound, sound]), once)
