"""The strategies: the order in which the typed tools are called."""
