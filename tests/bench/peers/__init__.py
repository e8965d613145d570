"""Other gateways to be measured beside ours, each in an environment of its own."""
