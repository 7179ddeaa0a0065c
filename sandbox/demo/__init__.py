"""`make demo`: the world outside, simulated, and the product pointed at it.

The product is started as anybody would start it (Procfile, environment variables) and filled
through its REST API; it does not know that the world is simulated.
"""
