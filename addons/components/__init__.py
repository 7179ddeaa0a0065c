"""What is installed into clusters: a catalogue, three deliveries, revisions, drift, fleets."""
