"""How glibc keeps memory that torch frees."""

from __future__ import annotations

import os

# glibc gives the large tensors of each step back to the system and faults their pages in again at the next one, which
# is a large part of a small one. Children keep them instead. Its lists of small free pieces hold on to what is left
# over in front of and behind each aligned tensor, so that a freed tensor's place does not fit the next one of the same
# size; without these lists it does. Huge pages, given on request only, spare the table of pages.
# Other allocators read none of this.
KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**27),
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0:glibc.malloc.hugetlb=1",
}


def keep_freed_memory() -> None:
    """Let processes that start from now on keep what they free."""
    for name, value in KEEP_FREED_MEMORY.items():
        os.environ.setdefault(name, value)
