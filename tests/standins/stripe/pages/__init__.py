"""What people see of the stand-in, in any browser, without scripts.

Each page shows and acts by the same functions that the API has (see `world`).
"""
