"""What monitors do to real clients: how much later they announce, whom they leave out, who names monitors to others."""
