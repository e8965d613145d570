"""The tests mirror the packages; journeys drive the product from outside."""
