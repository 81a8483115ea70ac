"""Readers of pretrained models: one module for each family, which registers a builder and the presets of papers.

A registered builder of a backbone returns a `backbones.backbone.Backbone`, or what offers the same, and has defaults
for all of its options. Three of them are conventions, which the benchmark knows by their names:

- `weights`: `hub` for the published ones, the path of a file or folder, `none` for random ones; any other spelling of
  `none` is refused. The benchmark sets `none` where it only counts. A builder without this option has no choice.
- `model`: the library's name of an architecture; a preset is a builder without it.
- `size`: side of a frame in pixels; None takes the model's own.

The backbone says in `weight_files`, {file name: sha256}, what initialised it; empty means random weights. The digest
alone identifies weights, the names say where they were found. A builder raises `UserError` where weights are missing or
belong to another model. It may have an attribute `weight_identity`, a function of the same options that returns
`weight_files` without building anything.
"""
