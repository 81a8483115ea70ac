from __future__ import annotations

import re

import pytest

from registry.vocabulary import ItemScore
from results.render.latex import escaped, to_latex
from results.table.build import build
from results.table.published import published_for


def test_a_table_for_each_board(record) -> None:
    runs = [record(adapter=adapter, seed=seed) for adapter in ("linear_probe", "a_b(x=0.5)") for seed in (0, 1)]
    items = {run.hash: [ItemScore(str(i), i % 2) for i in range(9)] for run in runs}
    rows = build([*runs, record(task="retrieval")], lambda run_hash: items.get(run_hash, []))
    text = to_latex(rows, published_for(rows))
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2 + 3
    assert re.search(r"tiny\\_vit & a\\_b\(x=0.5\) & \\textbf\{50.00 \$\\pm\$ [\d.]+\} & 0.00 & a &", text)
    assert re.search(r"linear\\_probe & 50.00 \$\\pm\$ [\d.]+\$\^\{\\dagger\}\$ & 0.00 & a &", text)
    assert "not measured here" in text
    for table in re.findall(r"\\begin{tabular}{(\w+)}(.*?)\\end{tabular}", text, re.S):
        columns, body = table
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(columns) - 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 50% #1 {x}$", r"a\_b \& 50\% \#1 \{x\}\$"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("a\n\nb ^ ~", r"a b \textasciicircum{} \textasciitilde{}"),
        ("漢", "?"),
    ],
)
def test_no_text_is_taken_for_a_command(text, expected) -> None:
    assert escaped(text) == expected


def test_what_a_record_says_is_escaped(record) -> None:
    text = to_latex(build([record(adapter=r"\input{x}", backbone="50%", data="a_b", labels=["\\def\\x{}"])]))
    assert r"\input" not in text.replace(r"\textbackslash{}input", "")
    assert r"50\%" in text
