"""`weights`: a file of weights into a form that every reader takes."""

from __future__ import annotations

import argparse
from pathlib import Path

import benchmark
from benchmark.cli.arguments import Verbs, add_verb, at_least
from registry.errors import UserError
from registry.text import printable
from results.store.files import write_atomically

DETAILS = """\
Reads ONNX (extra `onnx`), TorchScript, pickles, safetensors, Hugging Face's names and names under a prefix. Every
tensor of the file is used or refused by name; nothing in it is executed. Where a file is ONNX and onnxruntime is
installed, the features of one picture are compared with those of the graph."""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "weights", act_without,
        examples="weights convert dinov2.onnx -o dinov2.safetensors --model vit_small_patch14_dinov2",
    )  # fmt: skip
    actions = parser.add_subparsers(title="actions", metavar="ACTION", parser_class=type(parser))
    convert = add_verb(
        actions, "convert", act_convert,
        summary="write a file of weights as safetensors in timm's names",
        examples="weights convert dinov2.onnx -o dinov2.safetensors --model vit_small_patch14_dinov2\n"
        "run --backbone \"vit(model='vit_small_patch14_dinov2', weights='dinov2.safetensors')\" --adapter lavish "
        "--task avqa",
        details=DETAILS,
    )  # fmt: skip
    convert.add_argument("file", metavar="FILE", help="weights of one model")
    convert.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the safetensors file to write")
    convert.add_argument("--model", required=True, metavar="NAME", help="timm's name of the model")
    convert.add_argument("--size", type=at_least(16), metavar="N", help="side of the pictures (default: the model's)")
    convert.add_argument(
        "--resample-stem", action="store_true", help="take a file of patches of another size, its stem resampled"
    )


def act_without(arguments: argparse.Namespace) -> int:
    raise UserError("weights needs an action: convert. See: python -m benchmark weights --help")


def act_convert(arguments: argparse.Namespace) -> int:
    made = benchmark.convert_weights(arguments.file, arguments.model, arguments.size, arguments.resample_stem)
    if arguments.out.suffix != ".safetensors":
        raise UserError(f"-o {arguments.out} is not called .safetensors, which says what it holds; name it so.")
    write_atomically(arguments.out, made.content)
    print(f"written: {printable(str(arguments.out))}, {made.tensors} tensors, {made.parameters:,} parameters")
    for note in made.notes:
        print(printable(note))
    if made.difference is None:
        print("its features were not compared with another program's")
    else:
        print(f"features of one picture differ from those of the file's graph by {made.difference:.1e} of the largest")
    return 0
