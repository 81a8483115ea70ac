"""What befalls files on their way."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Something that befalls a file: cut short, bytes overwritten, a piece lost, a piece of another kind put in."""
    share, length = draw(st.floats(0, 1)), draw(st.integers(1, 400))
    noise, kind = draw(st.binary(min_size=1, max_size=400)), draw(st.sampled_from(["cut", "write", "lose", "insert"]))

    def apply(content: bytes) -> bytes:
        place = int(share * len(content))
        head, rest = content[:place], content[place:]
        return {
            "cut": head,
            "write": head + noise + rest[len(noise) :],
            "lose": head + rest[length:],
            "insert": head + noise + rest,
        }[kind]

    return apply


@st.composite
def flips(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A few bytes that are others, most of them near the beginning, where headers are."""
    places = draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
    reach = draw(st.sampled_from([200, 2000, None]))

    def apply(content: bytes) -> bytes:
        changed = bytearray(content)
        within = len(content) if reach is None else min(reach, len(content))
        for share, value in places:
            if within:
                changed[min(int(share * within), within - 1)] = value
        return bytes(changed)

    return apply


def harm() -> st.SearchStrategy[Callable[[bytes], bytes]]:
    """Large damage or small."""
    return damage() | flips()
