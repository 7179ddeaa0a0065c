"""Toy: a fourth cloud, made after docs/adding-a-provider.md.

`dialect`, `client` and `connect` are what a folder in `providers/` would hold; `cloud` is the world
outside, a server on the loopback that knows nothing of them.
"""
