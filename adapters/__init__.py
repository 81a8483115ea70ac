"""Adapter schemes; `adapters.builtin` registers the built-in ones."""
