"""Do the estimators of the analysis recover what is known? Synthetic runs with known truth, many times."""
