"""One convention a file; each turns one run's loss or score matrix into one number."""
