"""What becomes of a pod: translation, decision, status; one cloud call and one patch at a time."""
