"""Going on where a run was cut off: everything that decides the rest of it, kept after each validated epoch.

A run that goes on gives the same numbers, bit for bit, as one that was never cut off (on CPU, with as many threads),
because an epoch depends on the seed and its number alone (`EpochSeeds`) and on what is kept here.
"""

from __future__ import annotations

import random
import time
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from benchmark.model.model import AudioVisualModel
from benchmark.train.checkpoint import Checkpoints, State, restore, trained_state
from benchmark.train.distributed import rank


@runtime_checkable
class Resumable(Protocol):
    """A hook with a past: it is asked for it at each checkpoint and given it back when the run goes on."""

    def state_dict(self) -> tuple[State, Any]:
        """Tensors by name, and whatever else in values that JSON can say."""

    def load_state_dict(self, tensors: State, facts: Any) -> None:
        """The inverse of `past`, in a new object."""


class Resume(Hook):
    """Writes a checkpoint after each validated epoch, and starts training from the newest one that is whole.

    Args:
        micro_batches: see `benchmark.train.train.train`; a checkpoint made with another number is of no use, because it
            counts other iterations.
    """

    # After every other hook has seen the epoch.
    priority = "LOWEST"

    def __init__(self, checkpoints: Checkpoints, micro_batches: int = 1) -> None:
        self._checkpoints, self._micro_batches = checkpoints, micro_batches
        self._started = time.perf_counter()
        self._seconds_before = 0.0
        self.resumed_after: list[int] = []
        """The epochs after which this run was cut off."""

    @property
    def seconds(self) -> float:
        """Training time so far, that of the parts before a cut included."""
        return self._seconds_before + time.perf_counter() - self._started

    def before_train(self, runner: Runner) -> None:
        self._started = time.perf_counter()
        found = self._checkpoints.newest()
        if found is None or found[1]["micro_batches"] != self._micro_batches:
            return
        tensors, facts = found
        self._seconds_before = facts["seconds"]
        self.resumed_after = [*facts["resumed_after"], facts["epoch"]]
        _load_state_dict(runner, tensors, facts)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        # The test pass validates nothing, and mmengine has counted this epoch as done.
        tensors, facts = _past(runner)
        facts |= {"micro_batches": self._micro_batches, "seconds": self.seconds, "resumed_after": self.resumed_after}
        if rank() == 0:
            self._checkpoints.write(runner.epoch, tensors, facts)


def micro_batches_of(checkpoints: Checkpoints) -> int:
    """Into how many micro_batches the newest checkpoint's run cut its batches; 1 where there is none."""
    found = checkpoints.newest()
    return int(found[1]["micro_batches"]) if found else 1


def _past(runner: Runner) -> tuple[State, dict[str, Any]]:
    state, optimizer = _random_state(), runner.optim_wrapper.optimizer.state_dict()
    tensors = {f"model/{name}": value for name, value in trained_state(_bare(runner)).items()}
    tensors |= {f"random/{name}": value for name, value in state.items()}
    tensors |= {f"gradient/{name}": value for name, value in _pending_gradients(runner).items()}
    for index, values in optimizer["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in values.items()}
    hooks = {}
    for hook in _resumable(runner):
        kept, facts = hook.state_dict()
        tensors |= {f"hook/{type(hook).__name__}/{name}": value for name, value in kept.items()}
        hooks[type(hook).__name__] = facts
    return tensors, {
        "epoch": runner.epoch,
        "iteration": runner.iter,
        "groups": [{k: v for k, v in group.items() if k != "params"} for group in optimizer["param_groups"]],
        "loss_scale": scaler.state_dict() if (scaler := runner.optim_wrapper.scaler) else None,
        "schedules": [schedule.state_dict() for schedule in runner.param_schedulers],
        "hooks": hooks,
        "stopped": runner.train_loop.stop_training,
    }


def _load_state_dict(runner: Runner, tensors: State, facts: dict[str, Any]) -> None:
    loop = runner.train_loop
    loop._epoch, loop._iter, loop.stop_training = facts["epoch"], facts["iteration"], facts["stopped"]
    model, optimizer = _bare(runner), runner.optim_wrapper.optimizer
    restore(model, _below(tensors, "model/"))
    _load_optimizer(optimizer, _below(tensors, "optimizer/"), facts["groups"])
    if scaler := runner.optim_wrapper.scaler:
        scaler.load_state_dict(facts["loss_scale"])
    for schedule, past in zip(runner.param_schedulers, facts["schedules"], strict=True):
        schedule.load_state_dict(past)
    runner.optim_wrapper.initialize_count_status(runner.model, loop.iter, loop.max_iters)
    gradients = _below(tensors, "gradient/")
    for name, parameter in model.named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter)
    for hook in _resumable(runner):
        name = type(hook).__name__
        hook.load_state_dict(_below(tensors, f"hook/{name}/"), facts["hooks"][name])
    _set_random_state(_below(tensors, "random/"))


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: State, groups: list[dict[str, Any]]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, entry = name.partition("/")
        state.setdefault(int(index), {})[entry] = value
    now = optimizer.state_dict()["param_groups"]
    merged = [{**group, "params": current["params"]} for group, current in zip(groups, now, strict=True)]
    optimizer.load_state_dict({"state": state, "param_groups": merged})


def _pending_gradients(runner: Runner) -> State:
    """What accumulates towards a step of the optimiser that the epoch's end has put off."""
    if runner.optim_wrapper.should_update():
        return {}
    named = _bare(runner).named_parameters()
    return {name: p.grad.detach().clone() for name, p in named if p.requires_grad and p.grad is not None}


def _resumable(runner: Runner) -> list[Resumable]:
    return [hook for hook in runner.hooks if isinstance(hook, Resumable)]


def _bare(runner: Runner) -> AudioVisualModel:
    """The model without the wrapper that trains it on several devices."""
    return cast(AudioVisualModel, getattr(runner.model, "module", runner.model))


def _below(tensors: State, prefix: str) -> State:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _random_state() -> State:
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, next_gauss = random.getstate()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": torch.tensor(np.asarray(keys, dtype=np.int64)),
        "numpy_rest": torch.tensor([position, has_gauss, gauss], dtype=torch.float64),
        "python": torch.tensor([version, *words], dtype=torch.int64),
        "python_rest": torch.tensor([] if next_gauss is None else [next_gauss], dtype=torch.float64),
    }
    if torch.cuda.is_initialized():
        state |= {"cuda": torch.cuda.get_rng_state()}
    return state


def _set_random_state(state: State) -> None:
    torch.set_rng_state(state["torch"])
    position, has_gauss, gauss = state["numpy_rest"].tolist()
    keys = state["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(position), int(has_gauss), gauss))
    version, *words = state["python"].tolist()
    random.setstate((version, tuple(words), next(iter(state["python_rest"].tolist()), None)))
    if "cuda" in state and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(state["cuda"])
