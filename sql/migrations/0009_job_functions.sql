-- What keeps jobs: enqueueing, dependencies, slots of keys.

SELECT;
