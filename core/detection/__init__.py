"""What may be wrong with each sample, and the verdict.

In: arrays only (``SignalInputs``). Out: signal scores, evidence by kind, verdicts, and lists at a false-discovery rate.
"""
