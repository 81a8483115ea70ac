"""Audio-visual tasks; `tasks.builtin` registers the built-in ones."""
