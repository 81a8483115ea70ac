"""A digest tells every change of tensors."""

from __future__ import annotations

import torch

from benchmark.runtime.tensor_digest import tensors_sha256


def test_names_types_shapes_values_and_text_count_and_order_does_not() -> None:
    one, two = torch.arange(4.0), torch.zeros(2, dtype=torch.bfloat16)
    digests = [
        tensors_sha256({"a": one, "b": two}),
        tensors_sha256({"a": one, "c": two}),
        tensors_sha256({"a": one.double(), "b": two}),
        tensors_sha256({"a": one.view(2, 2), "b": two}),
        tensors_sha256({"a": one + 1e-6, "b": two}),
        tensors_sha256({"a": one, "b": two}, "text"),
    ]
    assert len(set(digests)) == len(digests)
    assert tensors_sha256({"b": two, "a": one}) == digests[0]
