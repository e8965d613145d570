"""What a Stripe account holds and how it changes: a module for each kind of object."""
