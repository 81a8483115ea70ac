"""The frozen vision transformer: embed pictures, offer blocks, finish features."""
