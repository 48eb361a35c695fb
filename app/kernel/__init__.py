"""What every process needs and no word of music: contracts, bindings, feeds, HTTP, data access."""
