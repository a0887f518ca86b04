"""What a training changes and counts: weights and what belongs to them, hidden randomness, sums, the history."""
