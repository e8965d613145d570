"""Operators' pages of served models, their aliases and replicas."""

from inference.control.admin.aliases import ModelAliasAdmin
from inference.control.admin.models import ServedModelAdmin
from inference.control.admin.replicas import ReplicaAdmin

__all__ = ["ModelAliasAdmin", "ReplicaAdmin", "ServedModelAdmin"]
