"""The eyes on the clouds: what changed, what vanished, what nobody owns."""
