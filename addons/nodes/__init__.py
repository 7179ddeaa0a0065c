"""Virtual nodes: what they look like, who keeps them alive, how they come and go."""
