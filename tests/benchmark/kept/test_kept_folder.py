"""A kept adapter is written in one move, and refused in one line where anything of it is not as it was written."""
