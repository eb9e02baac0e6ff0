"""One question a file; each turns numbers into an interval, a bound or a fact."""
