"""Who drives, and how well it went: expert, episode, judge."""
