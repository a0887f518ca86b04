"""What makes a run survive: records, checkpoints, fingerprints, locks and signals."""
