"""Said before it hurts: what each cloud would do with a workload, and what it would cost there.

Pure: documents in, a `report.Report` out. What a cloud refuses or ignores comes from the same
`Dialect.problems` that the reconciler asks before it creates an instance.
"""
