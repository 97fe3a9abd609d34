"""Which keys are asked for most, how popularity is distributed, and how it changes."""
