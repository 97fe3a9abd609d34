"""Hold a million monitors: introductions, keep-alives, answers, memory; beside one greenlet and socket for each."""
