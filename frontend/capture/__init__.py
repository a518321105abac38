"""Python's own control flow on traced values: functions are rewritten to loops and branches.

A function is first traced as it is. Where a traced value decides, it is rewritten once and traced
again; what the new code calls runs as Python does wherever no traced value decides.
"""
