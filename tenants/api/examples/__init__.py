"""One example of each thing that the management API takes and shows of tenants.

They tell one story, so that the ids of one fit the others. Tests hold them against the
schema and send them to the API.
"""
