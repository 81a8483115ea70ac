"""The frozen transformer block, read as two residual branches."""

from __future__ import annotations

from typing import NamedTuple, cast

from torch import Tensor, nn

from backbones.attention import Attention, QueryValueBiasLinear
from backbones.kernels.linear import linear_of
from backbones.sites import UNCHANGED, Delta, project
from backbones.windows import WholePicture, Windows
from registry.vocabulary import Modality

__all__ = ["UNCHANGED", "Block", "Delta", "Mlp", "Pair", "Step"]


class Pair(NamedTuple):
    """What stands before, or after, the core of each branch: a norm, a layer-scale or nothing."""

    attention: nn.Module
    """(B, T, L, D) -> same, at the attention branch."""
    mlp: nn.Module
    """The same at the MLP branch."""


class Mlp(nn.Module):
    """Two frozen projections with an activation between; `norm` follows the activation where the model has one.

    Args:
        fc1: D -> hidden width.
        activation: of hidden units, as the model has it.
        fc2: hidden width -> D.
        norm: of the hidden width, (…, hidden) -> same; None is nothing.
    """

    def __init__(self, fc1: nn.Linear, activation: nn.Module, fc2: nn.Linear, *, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.fc1, self.activation, self.fc2 = fc1, activation, fc2
        self.norm = norm or nn.Identity()

    def forward(self, x: Tensor, *, delta: Delta = UNCHANGED) -> Tensor:
        """(…, D) -> (…, D)"""
        hidden = self.norm(self.activation(project("fc1", self.fc1, x, delta)))
        return project("fc2", self.fc2, hidden, delta)


class Block(nn.Module):
    """A frozen transformer block, read as two residual branches.

    `x + attend(x)`, then `x + feed_forward(x)`, is the pretrained block. Norms, layer-scale, windows and position
    bias live inside the branches, so callers never see which family they are adapting.

    Args:
        attention: the core of the first branch.
        mlp: the core of the second.
        before: norms in front of the cores.
        after: norms or layer-scales behind them.
        windows: which tokens of a picture attend to each other; None is all.
        enter: (B, T, L', D') -> (B, T, L, D), what tokens pass before the block; None is nothing.
    """

    dim: int
    """D, the width of this block's tokens."""
    heads: int
    """H"""
    sites: dict[str, tuple[int, int]]
    """Input and output width of the projections that a delta may change: `qkv`, `proj`, `fc1`, `fc2`."""

    def __init__(
        self,
        attention: Attention,
        mlp: Mlp,
        *,
        before: Pair,
        after: Pair,
        windows: Windows | None = None,
        enter: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.attention, self.mlp = attention, mlp
        self.before_attention, self.before_mlp = before
        self.after_attention, self.after_mlp = after
        self.windows = windows or WholePicture()
        self.entrance = enter or nn.Identity()
        linears = {"qkv": attention.qkv, "proj": attention.proj, "fc1": mlp.fc1, "fc2": mlp.fc2}
        self.sites = {site: (linear.in_features, linear.out_features) for site, linear in linears.items()}
        self.dim, self.heads = self.sites["qkv"][0], attention.heads

    def enter(self, x: Tensor) -> Tensor:
        """Bring tokens to this block's width and resolution: (B, T, L', D') -> (B, T, L, D).

        The identity, except where a stage begins by merging patches, and in the first block of a model that norms its
        embedded tokens: what a scheme adds to them comes before that norm.
        """
        return self.entrance(x)

    def attend(self, x: Tensor, *, context: Tensor | None = None, delta: Delta = UNCHANGED) -> Tensor:
        """The spatial self-attention branch: (B, T, L, D) -> (B, T, L, D).

        Args:
            context: (P, D) tokens that every token may also attend to, carried through the same frozen norm and
                projections, without position bias, in each group. As deep prompts are (arXiv 2203.12119, section 3.2).
            delta: per site, what is added to that frozen projection; see `Delta` for the axes that it is given.

        Raises:
            KeyError: a site in `delta` that a block does not have.
        """
        self._check(delta)
        context = None if context is None else self.before_attention(context)
        mixed = self.attention(self.group(self.before_attention(x)), context=context, delta=delta)
        return self.after_attention(self.ungroup(mixed))

    def mix(self, x: Tensor, *, context: Tensor | None = None, delta: Delta = UNCHANGED) -> Tensor:
        """The first half of `attend`, all heads side by side before `proj`: (B, T, L, D) -> (B, T, L, H · d).

        `attend(x, delta=delta)` is `project(mix(x, delta=delta), delta=delta)`, for who must see what lies between.

        Raises:
            KeyError: a site in `delta` that a block does not have.
        """
        self._check(delta)
        context = None if context is None else self.before_attention(context)
        return self.ungroup(self.attention.mix(self.group(self.before_attention(x)), context=context, delta=delta))

    def project(self, mixed: Tensor, *, delta: Delta = UNCHANGED) -> Tensor:
        """The second half of `attend`: (B, T, L, H · d) -> (B, T, L, D).

        Raises:
            KeyError: a site in `delta` that a block does not have.
        """
        self._check(delta)
        return self.after_attention(project("proj", self.attention.proj, mixed, delta))

    def attend_over_time(self, x: Tensor, *, bias: Tensor | None = None, delta: Delta = UNCHANGED) -> Tensor:
        """The same frozen attention, run along T for each token position: (B, T, L, D) -> (B, T, L, D).

        Args:
            bias: (H, T, T), added to the attention logits; the pretrained spatial bias does not apply.
            delta: per site, what is added to that frozen projection; see `Delta` for the axes that it is given.

        Raises:
            KeyError: a site in `delta` that a block does not have.
        """
        self._check(delta)
        return self.after_attention(self.attention.over_time(self.before_attention(x), bias=bias, delta=delta))

    def mlp_input(self, x: Tensor) -> Tensor:
        """What the MLP reads of x: its norm, or x itself where norms follow the branch: (B, T, L, D) -> same."""
        return self.before_mlp(x)

    def feed_forward(self, x: Tensor, *, delta: Delta = UNCHANGED) -> Tensor:
        """The MLP branch: (B, T, L, D) -> (B, T, L, D).

        Args:
            delta: per site, what is added to that frozen projection; see `Delta` for the axes that it is given.

        Raises:
            KeyError: a site in `delta` that a block does not have.
        """
        self._check(delta)
        return self.after_mlp(self.mlp(self.before_mlp(x), delta=delta))

    def projection(self, site: str) -> nn.Linear:
        """The frozen projection at a site as a plain linear map, which shares its weight; not to be kept or written to.

        Raises:
            KeyError: a site that a block does not have.
        """
        self._check({site: nn.Identity()})
        attention, mlp = self.attention, self.mlp
        linear = {"qkv": attention.qkv, "proj": attention.proj, "fc1": mlp.fc1, "fc2": mlp.fc2}[site]
        if isinstance(linear, QueryValueBiasLinear):
            return linear_of(cast(nn.Parameter, linear.weight), nn.Parameter(linear.whole_bias(), requires_grad=False))
        return linear

    def group(self, x: Tensor) -> Tensor:
        """Tokens in the sets that attend to each other: (B, T, L, D) -> (B, T, G, L / G, D)."""
        return self.windows.split(x)

    def ungroup(self, windows: Tensor) -> Tensor:
        """The inverse of `group`: (B, T, G, L / G, D) -> (B, T, L, D)."""
        return self.windows.join(windows)

    def _check(self, delta: Delta) -> None:
        wrong = [site for site in delta if site not in self.sites]
        if wrong:
            raise KeyError(f"no site {', '.join(sorted(wrong))}; a block has {', '.join(self.sites)}")


class Step(NamedTuple):
    """Blocks of two backbones that streams pass at once: one for each modality, or one of a modality alone.

    A block of a single backbone is a step by itself, and its streams share it.
    """

    blocks: dict[Modality, Block]
    """Those that move, by modality."""
