"""One training step of each paper's largest set-up at its real input size, with random weights: time and peak memory.

    python measurements/speed/real_size_step.py [clip_vit_large swin_v2_large] [--precision bf16] [--batch 1]
    python measurements/speed/real_size_step.py "swin_v2_large and htsat"

Ten segments of noise as frames and sound. Each set-up runs in a process of its own, whose peak resident memory is
that of building, forward pass, backward pass and optimiser step; on a GPU the peak of its memory is told as well.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import torch

from benchmark.cost.parameters import count_parameters
from benchmark.model.build import build_backbone, build_scheme
from benchmark.model.encoder import Encoder
from benchmark.model.model import AudioVisualModel
from benchmark.train.optimizer import build_optimizer
from registry import Component
from tasks.event_localisation.cmbs import CmbsHead
from tasks.event_localisation.paper_heads import LavishClassifier, StgCmaClassifier
from tasks.recipe import Recipe

SEGMENTS, CLASSES = 10, 29

SETUPS: dict[str, tuple[str, str, Any]] = {
    "clip_vit_large": (
        "clip_vit_large(weights='none', positions='crop', statistics='imagenet', sound={'stem': 'own'})",
        "stg_cma(ratio=0.0625, position='embedding', drop_path=0.2, train_final_norm=True)",
        StgCmaClassifier,
    ),
    "swin_v2_large": ("swin_v2_large(weights='none', statistics='imagenet')", "lavish", LavishClassifier),
    "swin_large": (
        "swin_large(weights='none', statistics='imagenet', sound={'stem': 'own'})",
        "stg_cma(ratio=(0.5, 0.25, 0.125, 0.0625), every=2, position='bias', drop_path=0.2)",
        StgCmaClassifier,
    ),
    "swin_v2_large and htsat": (
        "towers(audio=\"htsat(weights='none')\", visual=\"swin_v2_large(weights='none')\")",
        "dg_sct(wiring='paired', projection='full', pooling='attention')",
        lambda widths, classes: CmbsHead((widths["visual"], widths["audio"]), classes),
    ),
}


def step(name: str, precision: Any, batch: int) -> dict[str, Any]:
    """Build one set-up and train it for one step."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone_text, adapter_text, head = SETUPS[name]
    torch.manual_seed(0)
    backbone = build_backbone(Component.parse(backbone_text))
    scheme = build_scheme(Component.parse(adapter_text), backbone, SEGMENTS)
    model = AudioVisualModel(Encoder(backbone, scheme), head(backbone.dim, CLASSES), precision).to(device).train()
    optimizer = build_optimizer(model, Recipe(precision=precision))
    side = backbone.picture.size
    data = {
        "inputs": {
            "frames": torch.randint(0, 256, (batch, SEGMENTS, 3, side, side), dtype=torch.uint8),
            "waveform": 0.1 * torch.randn(batch, SEGMENTS, 16_000),
        },
        "targets": {"labels": torch.randint(0, CLASSES, (batch, SEGMENTS)), "id": [str(i) for i in range(batch)]},
    }
    begun = time.perf_counter()
    prepared = model.data_preprocessor(data, training=True)
    loss, _ = model.parse_losses(model(**prepared, mode="loss"))
    loss.backward()
    optimizer.step()
    if device == "cuda":
        torch.cuda.synchronize()
    counted = count_parameters(model)
    return {
        "set-up": f"{backbone_text} + {adapter_text}",
        "random weights": True,
        "precision": precision,
        "batch": batch,
        "device": device,
        "loss": round(loss.item(), 4),
        "trainable": counted.trainable,
        "total": counted.total,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        **({"peak_gpu_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2)} if device == "cuda" else {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setups", nargs="*", metavar="SETUP", help=f"of {', '.join(SETUPS)} (default: the first two)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--batch", type=int, default=1, help="clips (default: 1)")
    arguments = parser.parse_args()
    names = arguments.setups or list(SETUPS)[:2]
    if unknown := set(names) - SETUPS.keys():
        parser.error(f"unknown set-up {', '.join(unknown)}; known: {', '.join(SETUPS)}")
    if len(names) == 1:
        print(json.dumps(step(names[0], arguments.precision, arguments.batch), indent=2))
        return
    for name in names:
        options = ["--precision", arguments.precision, "--batch", str(arguments.batch)]
        subprocess.run([sys.executable, __file__, name, *options], check=True)


if __name__ == "__main__":
    main()
