"""Where files lie: local ones that appear whole or not at all, outputs in S3, and what commands take for either."""
