"""Is it a surge? Pure statistics over counts of distinct foreign users."""
