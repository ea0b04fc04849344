"""What the suite costs, as ratios against the bare operations, alternating in one run."""
