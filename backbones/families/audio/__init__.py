"""Families that were trained on sound."""
