"""Mistakes in video parsing's head, loss or scores are found by its golden files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.verify.avs import parsing
from benchmark.verify.check import verify_file
from tasks.parsing import han, head, metrics

GOLDEN = Path(__file__).parents[3] / "golden" / "avs"
_attend, _count = han.HybridAttention.forward, metrics.event_counts


def missed(name: str) -> list[str]:
    return [line.tensor for line in verify_file(GOLDEN / f"{name}.npz").compared if not line.passed]


def partner_is_oneself(self, x, partner):
    return _attend(self, x, x)


def weights_over_modalities_in_time(audio, visual):
    event, time, modality = torch.stack([audio, visual], dim=2).unbind(3)
    weighed = time.softmax(2) * event.sigmoid()
    found = weighed.sum(1)
    clip = (modality.softmax(1) * weighed).sum((1, 2))
    return {"segments": event.sigmoid(), "audio": found[:, 0], "visual": found[:, 1], "clip": clip}


def updated_before_the_partner_reads(self, streams):
    streams = dict(streams)
    streams["audio"] = self.attention(streams["audio"], streams["visual"])
    streams["visual"] = self.attention(streams["visual"], streams["audio"])
    return han.pool(*(self.readout(streams[m]) for m in han.ORDER))


def events_beyond_one_half(found, true):
    shared = metrics.np.minimum(found[:, None, 1], true[None, :, 1]) - metrics.np.maximum(
        found[:, None, 0], true[None, :, 0]
    )
    lengths = metrics.np.diff(found) + metrics.np.diff(true).T
    return 2 * shared > lengths - shared


@pytest.mark.parametrize(
    ("name", "owner", "attribute", "mistake"),
    [
        ("avvp_han", han.HybridAttention, "forward", partner_is_oneself),
        ("avvp_han", han.HanHead, "parse", updated_before_the_partner_reads),
        ("avvp_han", han, "pool", weights_over_modalities_in_time),
        ("avvp_han", head, "VISUAL_CERTAINTY", 1.0),
        ("avvp_metrics", metrics, "_match", events_beyond_one_half),
        ("avvp_metrics", parsing, "event_counts", lambda p, y: metrics.segment_counts(p, y)),
        ("avvp_metrics", metrics, "f_score", lambda counts: metrics.np.nan_to_num(_plain(counts))),
    ],
)  # fmt: skip
def test_a_mistake_is_found(monkeypatch, name, owner, attribute, mistake):
    monkeypatch.setattr(owner, attribute, mistake)
    assert missed(name)


def _plain(counts):
    """Nothing anywhere is worth 0."""
    used = counts[counts.sum(1) > 0]
    return (2 * used[:, 0] / (2 * used[:, 0] + used[:, 1] + used[:, 2])).mean() if len(used) else 0.0
