"""The zone's nodes: how many, how long they stay, which programs they run."""
