"""What signing in listens to: sessions that begin, second factors that are set up.

Imported once the apps are ready; importing it connects it.
"""

from allauth.mfa.signals import authenticator_added
from django.contrib.auth.signals import user_logged_in

from pages.accounts.factors import end_other_sessions, remember
from pages.accounts.middleware import begin

user_logged_in.connect(begin, dispatch_uid="accounts: a session began")
authenticator_added.connect(remember, dispatch_uid="accounts: a factor was set up")
authenticator_added.connect(
    end_other_sessions, dispatch_uid="accounts: sessions before the factor"
)
