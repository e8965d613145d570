"""How much of a gateway is felt: `make bench` measures it beside its peers."""
