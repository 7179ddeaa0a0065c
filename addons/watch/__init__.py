"""The watch process: the mirror of pods, the freshness of clusters, who watches what."""
