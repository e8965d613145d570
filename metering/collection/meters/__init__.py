"""Use told to a provider's meters, hour by hour: a copy, which no bill is made of."""
