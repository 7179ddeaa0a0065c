"""Kingsoft Cloud Container Instance (KCI): a provider. Removing this folder and its line in
`providers.registry` removes the cloud."""
