"""What a run should have seen, against what it saw, with intervals and reasons."""
