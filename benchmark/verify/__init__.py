"""Proof of exactness: models of our own classes against tensors recorded from the official implementations."""

from benchmark.verify.check import verify

__all__ = ["verify"]
