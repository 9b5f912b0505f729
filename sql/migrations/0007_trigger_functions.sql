-- These act with their owner's rights, whoever fires them.  Who may execute one may also hang it on a
-- table of his own, and so delete attempts and make deliveries that he has no rights to.  Firing a
-- trigger takes no such right.

REVOKE EXECUTE ON FUNCTION cronward_events_fan_out() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION cronward_webhook_enabled() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION cronward_deliveries_gone() FROM PUBLIC;
