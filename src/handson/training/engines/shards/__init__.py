"""The engine `shards`: a batch is cut into shards, whose numbers meet in a fixed tree, on one worker or on many."""
