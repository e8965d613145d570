"""Tenants see their own alerts, write their endpoints, and mark their watches."""

from django.db import migrations

from kit.orm.isolation import isolate, tie


class Migration(migrations.Migration):
    """Keep tenants apart; what refers to a tenant's row is the tenant's."""

    dependencies = [
        ("alerts", "0001_initial"),
        ("budgets", "0002_rules"),
        ("config", "0001_roles"),
    ]
    operations = [
        isolate("alerts_watch", app="SELECT, UPDATE (look_at)"),
        isolate("alerts_crossing"),
        isolate("alerts_endpoint", app="SELECT, INSERT, UPDATE"),
        # A test is an event too.
        isolate("alerts_event", app="SELECT, INSERT"),
        isolate("alerts_delivery", app="SELECT, INSERT"),
        tie("alerts_delivery", "event_id", "alerts_event"),
        tie("alerts_delivery", "endpoint_id", "alerts_endpoint"),
        tie("alerts_delivery", "member_id", "tenants_member"),
    ]
