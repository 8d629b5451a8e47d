"""What is measured: one file a metric, one list of them all; free of torch."""
