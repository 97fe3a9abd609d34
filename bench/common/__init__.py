"""What all benchmarks share: the machine, the outcome, its table and its plot, the compiler."""
