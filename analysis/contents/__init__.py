"""What keys stand for, as far as requesters said it or a word list tells."""
