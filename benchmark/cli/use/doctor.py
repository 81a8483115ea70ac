"""`doctor`: what is installed, what this machine offers, what is missing."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import benchmark
from benchmark.cli.arguments import Verbs, add_output, add_verb

CANNOT_RUN = 1


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "doctor", act,
        details="Versions, extras, name clashes, caches and their sizes, room, the hub, GPUs, and whether each model\n"
        "of the embedded grid can be built. Exit status 1 if that grid could not run.",
        examples="doctor\ndoctor --json",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_output(parser)


def act(arguments: argparse.Namespace) -> int:
    findings = []
    for finding in benchmark.examine(arguments.output):
        findings.append(finding)
        if not arguments.json:
            # As they come: what takes long is told last.
            print(f"{finding.state:<6} {finding.subject:<22} {finding.text}", flush=True)
    faults = [finding for finding in findings if finding.state == "fault"]
    if arguments.json:
        print(json.dumps({"can_run": not faults, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        says = f"cannot run: {', '.join(dict.fromkeys(fault.subject for fault in faults))}" if faults else "can run"
        print(f"The default grid {says}.")
    return CANNOT_RUN if faults else 0
