"""Registered clusters: the diagnosing checklist, registration, the rights we need."""
