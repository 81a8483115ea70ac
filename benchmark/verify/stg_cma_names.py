"""What STG-CMA's golden files call things and how they lay tensors out, and our names and layouts."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate

from torch import Tensor

from benchmark.verify.golden import Golden
from benchmark.verify.loading import Names, translate
from registry.vocabulary import MODALITIES, Modality, Streams

PICTURES: dict[Modality, str] = {"visual": "input/visual_frames", "audio": "input/audio_fbank"}

# Recorded names of frozen parameters -> those of the library whose model our readers take.
LIBRARY_NAMES: dict[str, Names] = {
    "clip": {
        r"^blocks\.": "transformer.resblocks.",
        r"ln_attn": "ln_1",
        r"ln_mlp": "ln_2",
        r"attn\.qkv\.": "attn.in_proj_",
        r"attn\.out\.": "attn.out_proj.",
        r"mlp\.fc1": "mlp.c_fc",
        r"mlp\.fc2": "mlp.c_proj",
        r"^class_token": "class_embedding",
        r"^visual_pos_embed": "positional_embedding",
        r"^visual_patch_embed": "conv1",
    },
    "swin": {
        r"^blocks\.": "layers.0.blocks.",
        r"^stages\.(\d+)\.blocks\.": r"layers.\1.blocks.",
        r"ln_attn": "norm1",
        r"ln_mlp": "norm2",
        r"attn\.out\.": "attn.proj.",
        r"window_bias_table": "relative_position_bias_table",
        r"^final_norm": "norm",
        r"^visual_patch_embed": "patch_embed",
    },
}
# Recorded names of what the method adds -> ours.
SCHEME_NAMES: Names = {
    r"temporal_adapter_(\w+)\.": r"temporal.\1.bottleneck.",
    r"spatial_adapter_(\w+)\.": r"spatial.bottleneck.\1.",
    r"global_adapter_(\w+)\.": r"joint.bottleneck.\1.",
    r"attn\.temporal_bias_table_(\w+)": r"temporal.\1.bias.table",
    r"gate_(\w+)": r"gates.\1.weight",
    r"^(\w+)_temporal_embed$": r"embedding.\1.weight",
    r"^ln_post\.": "final_norm.",
}
SOUND_NAMES: Names = {
    r"^audio_pos_embed": "positions.table",
    r"^audio_patch_embed\.(proj\.)?(weight|bias)": r"project.\2",
    r"^audio_patch_embed\.norm": "patch_norm",
}
HEAD_NAMES: Names = {
    r"^head\.(fc1|norm)\.": "classify.0.",
    r"^head\.fc2\.": "classify.2.",
    r"^head\.fc\.": "classify.1.",
}


class Recorded:
    """Sizes and tensors of one file, the latter in our layouts."""

    def __init__(self, golden: Golden) -> None:
        self.meta, self.tensors = golden.meta, golden.tensors
        self.variant, self.scope, self.mode = (str(self.meta[key]) for key in ("variant", "scope", "mode"))
        self.clips = (int(self.meta["batch"]), int(self.meta["frames"]))
        self.present = tuple(m for m in MODALITIES if {f"input/{m}_tokens", PICTURES[m]} & self.tensors.keys())
        self.parameters = {k: v.float() for k, v in golden.group("param/").items()}
        self.of_scheme = self._renamed(SCHEME_NAMES, self.flat)
        self.of_head, self.of_sound = self._renamed(HEAD_NAMES), self._renamed(SOUND_NAMES)
        added = self.of_scheme.keys() | self.of_head.keys() | self.of_sound.keys()
        # The trained norm at the end of CLIP is the scheme's copy of a frozen one.
        frozen = [name for name in self.parameters if name not in added or name.startswith("ln_post.")]
        self.of_library = {name: self._in_library(name) for name in frozen}

    def _renamed(self, names: Names, flat: Callable[[str], str] = str) -> dict[str, str]:
        """Recorded names that `names` knows, and ours."""
        found = {name: translate(flat(name), names) for name in self.parameters}
        return {name: ours for name, ours in found.items() if ours != flat(name)}

    def flat(self, name: str) -> str:
        """`stages.s.blocks.i.` as `blocks.n.`, counted through all stages; a lone block is number 0."""
        if self.scope == "block" and not name.startswith("blocks."):
            return f"blocks.0.{name}"
        before = [0, *accumulate(self.meta.get("depths", ()))]
        return re.sub(r"^stages\.(\d+)\.blocks\.(\d+)", lambda m: f"blocks.{before[int(m[1])] + int(m[2])}", name)

    def _in_library(self, name: str) -> str:
        # timm merges patches at the start of the next stage.
        name = re.sub(r"^stages\.(\d+)\.merge\.", lambda m: f"layers.{int(m[1]) + 1}.downsample.", name)
        return translate(re.sub(r"^merge\.", "layers.1.downsample.", name), LIBRARY_NAMES[self.variant])

    def values(self, names: dict[str, str]) -> dict[str, Tensor]:
        """Recorded parameters by our names."""
        found = {}
        for name, ours in names.items():
            value = self.parameters[name]
            # Convolutions over (frame, row, column) with one frame, embeddings (1, T, D) as ours are (T, 1, D).
            value = value.squeeze(2) if value.ndim == 5 else value
            found[ours] = value.transpose(0, 1) if name.endswith("_temporal_embed") else value
        return found

    def pictures(self) -> Streams:
        """Frames (B, T, 3, H, W), and sound (B, T, 1, L, F) for a stem of its own."""
        frames = {m: self.tensors[PICTURES[m]].float() for m in self.present}
        return {m: x.transpose(1, 2) if m == "visual" else x.unsqueeze(2) for m, x in frames.items()}

    def tokens(self, key: str) -> Tensor:
        """Recorded tokens as (B, T, L, D)."""
        x = self.tensors[key].float()
        return (x.transpose(0, 1) if self.variant == "clip" else x).unflatten(0, self.clips)

    def as_recorded(self, x: Tensor) -> Tensor:
        """(B, T, L, D) as files have it: sequence first on CLIP, (B·T, L, D) on Swin."""
        x = x.flatten(0, 1)
        return x.transpose(0, 1) if self.variant == "clip" else x
