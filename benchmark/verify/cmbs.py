"""DG-SCT's golden file of its head on AVE: features to losses and accuracy, there and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.golden import Golden
from benchmark.verify.loading import Names, Problems, fill, translate
from benchmark.verify.precision import Seen, autocast, check_modes, parameters_of
from benchmark.verify.watching import watch_output
from registry.vocabulary import Features, Modality, Streams
from tasks.event_localisation.cmbs import CmbsHead
from tasks.metrics import percent

LOSS = 2e-5
"""In float32, from the README beside the file, relative."""

NAMES: Names = {
    r"^temporal\.v_fc\.": "over_time.narrow_visual.0.",
    r"^temporal\.a_fc\.": "over_time.narrow_audio.",
    r"^temporal\.(visual|audio)_encoder\.affine_matrix\.": r"over_time.\1.to_key.",
    r"^temporal\.(visual|audio)_decoder\.affine_matrix\.": r"over_time.\1.to_query.",
    r"^temporal\.(visual|audio)_encoder\.encoder\.layers\.": r"over_time.\1.encoder.",
    r"^temporal\.(visual|audio)_decoder\.decoder\.layers\.0\.multihead_attn\.": r"over_time.\1.decoder.attention.",
    r"^temporal\.(visual|audio)_decoder\.decoder\.layers\.0\.": r"over_time.\1.decoder.",
    r"^temporal\.audio_visual_rnn_layer\.(visual|audio)_rnn\.": r"over_time.\1.recurrent.",
    r"^temporal\.(visual|audio)_gated\.0\.": r"over_time.\1.gate.",
    r"^localise\.localize_module\.classifier\.": "is_event.",
    r"^localise\.localize_module\.event_classifier\.": "which_event.",
    r"^localise\.(visual|audio)_cas\.": r"\1_classes.",
}
LOSSES = {"loss_event": "event", "loss_gate": "gate", "loss_clip": "clip", "loss_cas": "streams"}


def check(golden: Golden, precision: Precision) -> GoldenReport:
    """Run the head of a file and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no head.
    """
    return check_modes(golden, precision, "dg_sct head", _run, modes=("eval",), loss=LOSS)


def _run(golden: Golden, _mode: str, precision: Precision) -> tuple[Seen, Problems]:
    meta, truth = golden.meta, golden.tensors["input/gt"]
    head = CmbsHead(
        (meta["visual_dim"], meta["audio_dim"]), truth.shape[-1], widths=(meta["visual_fc"], meta["audio_fc"]),
        dim=meta["d_model"], heads=meta["heads"], feedforward=meta["feedforward"], layers=meta["encoder_layers"],
    ).eval()  # fmt: skip
    names = {name: translate(name.replace("video", "visual"), NAMES) for name in golden.group("param/")}
    problems = fill(head, {ours: golden.tensors[f"param/{name}"].float() for name, ours in names.items()})
    seen: Seen = {}
    watch_output(
        head.over_time, lambda streams: seen.update(zip(("video_features", "audio_features"), streams[:2], strict=True))
    )
    inputs: dict[Modality, Tensor] = {
        m: golden.tensors[f"input/{m}"].float().clone().requires_grad_() for m in ("visual", "audio")
    }
    labels = truth.argmax(-1)

    def encode(pictures: Streams) -> dict[Modality, Features]:
        return {m: Features(x, x) for m, x in pictures.items()}

    with autocast(precision):
        outputs = head(encode, inputs)
    outputs = {name: value.float() for name, value in outputs.items()}
    losses = head.loss(outputs, {"labels": labels})
    loss = torch.stack(list(losses.values())).sum()
    loss.backward()
    predictions = head.predict(outputs, {"labels": labels, "id": [str(clip) for clip in range(len(labels))]})
    right = np.concatenate([np.equal(p["predicted"], p["labels"]) for p in predictions])
    # The authors' layers have time first.
    found = {key: x.float().transpose(0, 1) for key, x in seen.items()}
    found |= {
        "gate": outputs["gate"].T.unsqueeze(-1),
        "event_logits": outputs["event"].T.unsqueeze(-1),
        "event_scores": outputs["clip"],
        "cas_scores": outputs["streams"],
        "loss": loss.view(1),
        "accuracy": torch.tensor([percent(right)]),
    }
    found |= {name: losses[term].view(1) for name, term in LOSSES.items()}
    found |= {f"grad/{m}": x.grad for m, x in inputs.items() if x.grad is not None}
    return found | parameters_of(head, names), problems
