"""What the management API takes and shows of this app, a subject a module.

Inputs say the type of each field; the services say which values are allowed.
"""
