"""Decoder and TPAVI; official values are in tests/golden/avs."""

from __future__ import annotations

import torch

from tasks.segmentation.decoder import CHANNELS, Decoder, Tpavi


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_the_published_ones_without_the_unit_that_is_never_called():
    with torch.device("meta"):
        assert count(Decoder((64, 128, 320, 512))) == 19_214_529 - 1_180_160
        assert count(Decoder((64, 128, 320, 512), (0, 1, 2, 3))) == 19_877_569 - 1_180_160
        assert count(Tpavi()) == 165_760


def test_tpavi_starts_as_a_layer_norm_and_hears_nothing():
    torch.manual_seed(0)
    tpavi = Tpavi(8, 4)
    x, sound = torch.randn(6, 8, 2, 3), torch.randn(6, 4)
    out, _ = tpavi(x, sound, 3)
    torch.testing.assert_close(out, torch.nn.functional.layer_norm(x.movedim(1, -1), (8,)).movedim(-1, 1))
    assert torch.equal(out, tpavi(x, -sound, 3)[0])


def test_tpavi_equals_the_square_matrix_of_all_pixels_of_a_clip():
    torch.manual_seed(0)
    tpavi = Tpavi(8, 4).eval()
    torch.nn.init.normal_(tpavi.bn.weight)
    x, sound = torch.randn(6, 8, 2, 3), torch.randn(6, 4)
    out, aligned = tpavi(x, sound, 3)
    theta, g = tpavi.theta(x), tpavi.g(x)
    phi = tpavi.phi(aligned[..., None, None]).expand_as(g)
    flat = [part.unflatten(0, (2, 3)).movedim(2, -1).flatten(1, 3) for part in (theta, phi, g)]
    read = flat[0] @ flat[1].transpose(1, 2) @ flat[2] / 18
    read = read.view(2, 3, 2, 3, 4).movedim(-1, 2).flatten(0, 1)
    expected = tpavi.norm((x + tpavi.bn(tpavi.out(read))).movedim(1, -1)).movedim(-1, 1)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


def test_clips_do_not_read_one_another():
    torch.manual_seed(0)
    tpavi = Tpavi(8, 4).eval()
    torch.nn.init.normal_(tpavi.bn.weight)
    x, sound = torch.randn(6, 8, 2, 2), torch.randn(6, 4)
    alone = tpavi(x[:3], sound[:3], 3)[0]
    torch.testing.assert_close(tpavi(x, sound, 3)[0][:3], alone, rtol=1e-5, atol=1e-6)


def test_logits_have_four_times_the_finest_grid_whatever_the_others_are():
    torch.manual_seed(0)
    decoder = Decoder((3, 4, 5, 6), channels=8)
    maps = [torch.randn(2, dim, side, side) for dim, side in zip((3, 4, 5, 6), (28, 14, 7, 3), strict=True)]
    assert decoder(maps, None, 2)[0].shape == (2, 1, 112, 112)
    assert CHANNELS == 256
