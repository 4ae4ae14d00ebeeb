"""Speed as ratios measured in one run: what is compared is always measured beside what it is compared with."""
