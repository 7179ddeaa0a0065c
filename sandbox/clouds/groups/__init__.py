"""Container groups as every cloud of the world runs them: what they are and what becomes of them.

A cloud adds its wire, its names of states, its sizes and its prices.
"""
