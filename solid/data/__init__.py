"""From raw files to the sequences that models are trained and tested on."""
