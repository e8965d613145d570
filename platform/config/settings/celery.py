"""Celery: every task is an idempotent scan of PostgreSQL, so a lost message changes nothing."""

from celery.schedules import crontab

from config.env import WebSettings, load

_web = load(WebSettings)

CELERY_BROKER_URL = _web.redis_url or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 15 * 60
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {
    "roll-up-usage": {
        "task": "usage.roll_up",
        "schedule": 2.0,
        "options": {"expires": 10},
    },
    "write-calendar": {"task": "usage.write_calendar", "schedule": 3600.0},
    "close-silent-epochs": {"task": "usage.close_silent_epochs", "schedule": 30.0},
    "credit-retries": {
        "task": "idempotency.credit_retries",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "purge-idempotency": {"task": "idempotency.purge", "schedule": 900.0},
    "tidy-budgets": {"task": "budgets.tidy", "schedule": 3600.0},
    "post-days": {"task": "ledger.post_days", "schedule": 600.0},
    "continue-reratings": {
        "task": "adjustments.continue_reratings",
        "schedule": 600.0,
    },
    "work-on-jobs": {
        "task": "jobs.work",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "settle-credit": {"task": "ledger.settle_credit", "schedule": 60.0},
    "merge-months": {"task": "ledger.merge_months", "schedule": 300.0},
    "advance-top-ups": {"task": "topups.advance", "schedule": 60.0},
    "advance-purchases": {
        "task": "collection.advance_purchases",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "tell-provider": {"task": "collection.tell_provider", "schedule": 30.0},
    "note-use": {"task": "collection.note_use", "schedule": crontab(minute="12")},
    "note-late-use": {
        "task": "collection.note_late_use",
        "schedule": crontab(hour="4", minute="52"),
    },
    "tell-use": {
        "task": "collection.tell_use",
        "schedule": 60.0,
        "options": {"expires": 50},
    },
    "forget-use": {
        "task": "collection.forget_use",
        "schedule": crontab(hour="5", minute="25"),
    },
    "make-portal-links": {
        "task": "collection.make_portal_links",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "close-periods": {"task": "billing.close_due_periods", "schedule": 600.0},
    "dun": {"task": "receivables.dun", "schedule": 3600.0},
    "send-dunning-mails": {"task": "receivables.send_mails", "schedule": 60.0},
    "advance-invoices": {"task": "billing.advance_invoices", "schedule": 60.0},
    "delete-left-drafts": {"task": "billing.delete_left_drafts", "schedule": 300.0},
    "process-webhooks": {
        "task": "inbox.process",
        "schedule": 60.0,
        "options": {"expires": 50},
    },
    "catch-up-webhooks": {
        "task": "inbox.catch_up",
        "schedule": 3600.0,
        "options": {"expires": 3000},
    },
    "purge-webhooks": {
        "task": "inbox.purge",
        "schedule": crontab(hour="5", minute="40"),
    },
    "make-exports": {
        "task": "exports.make",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "make-documents": {
        "task": "documents.make",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "throw-away-exports": {"task": "exports.throw_away", "schedule": 3600.0},
    "compare-collected": {
        "task": "collection.compare",
        "schedule": crontab(hour="3", minute="10"),
    },
    "reconcile": {
        "task": "reconciliation.reconcile",
        "schedule": crontab(hour="2", minute="40"),
    },
    "verify-ledger": {
        "task": "reconciliation.verify_ledger",
        "schedule": crontab(hour="3", minute="40"),
    },
    "make-asked-runs": {"task": "reconciliation.make_asked", "schedule": 60.0},
    "read-engines": {
        "task": "reconciliation.read_engines",
        "schedule": 60.0,
        "options": {"expires": 50},
    },
    "thin-readings": {"task": "reconciliation.thin_readings", "schedule": 3600.0},
    "note-replicas": {
        "task": "economics.note_replicas",
        "schedule": 60.0,
        "options": {"expires": 50},
    },
    "work-out-margins": {"task": "economics.work_out", "schedule": 600.0},
    "tell-cases": {"task": "reconciliation.tell", "schedule": 60.0},
    "send-mails": {
        "task": "tenants.send_mails",
        "schedule": 15.0,
        "options": {"expires": 30},
    },
    "tell-bills": {"task": "documents.tell", "schedule": 30.0},
    "forget-mails": {
        "task": "tenants.forget_mails",
        "schedule": crontab(hour="5", minute="55"),
    },
    "purge-answers": {"task": "tenants.purge_answers", "schedule": 900.0},
    "anchor-audit": {
        "task": "audit.anchor",
        "schedule": crontab(hour="0", minute="10"),
    },
    "verify-audit": {
        "task": "audit.verify",
        "schedule": crontab(hour="4", minute="10"),
    },
    "forget-sign-ins": {
        "task": "pages.forget_sign_ins",
        "schedule": crontab(hour="4", minute="40"),
    },
    "republish-snapshot": {"task": "control.republish", "schedule": 60.0},
    "forget-pulses": {"task": "control.forget_pulses", "schedule": 3600.0},
    "forget-refusals": {"task": "control.forget_refusals", "schedule": 3600.0},
    "calibrate-models": {
        "task": "control.calibrate_models",
        "schedule": 300.0,
        "options": {"expires": 240},
    },
    "scan-budgets": {
        "task": "alerts.scan",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "watch-budgets": {"task": "alerts.watch_all", "schedule": 3600.0},
    "tell-of-models": {"task": "alerts.tell_of_models", "schedule": 3600.0},
    "call-webhooks": {
        "task": "alerts.call_webhooks",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "send-alerts": {
        "task": "alerts.send_mails",
        "schedule": 10.0,
        "options": {"expires": 20},
    },
    "purge-key-hours": {
        "task": "usage.purge_key_hours",
        "schedule": crontab(minute="25"),
    },
    "purge-alerts": {
        "task": "alerts.purge",
        "schedule": crontab(hour="5", minute="10"),
    },
    "send-invitations": {"task": "tenants.send_invitations", "schedule": 60.0},
}
