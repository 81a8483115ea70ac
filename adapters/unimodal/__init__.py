"""Schemes in which the modalities do not meet: controls for those in which they do."""
