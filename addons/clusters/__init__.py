"""Registering clusters: done by the lead (checklist, register, rbac); F1 need not write these."""
