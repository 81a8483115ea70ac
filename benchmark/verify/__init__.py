"""Proof of exactness: models of our own classes against tensors recorded from the official implementations."""
