"""Choosing a subset of a dataset, and measuring what it is worth.

In: a request (method, budget, constraints). Out: rows with weights, their report, and the measured payoff.
"""
