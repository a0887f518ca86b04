"""Several workers that train one net: what they add up, and how they hear of each other."""
