-- What processors call.

SELECT;
