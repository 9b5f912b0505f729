-- process-email-queue: what moves the rows of email_queue.  What the application changes meanwhile
-- is seen to by the triggers of migration 0016.
--
-- An item is one request: a mail that goes alone, or the mails of a batch.  Of a batch one row, the
-- leader, has a finite waits_until, and lease, token and count of lost leases stand there for all;
-- the others wait at infinity.  The request is named after batch_id, which never changes, and not
-- after the leader, who may be another one later.
-- The forms are not free: see README.md in this folder before changing one.

-- name: look
-- The priorities that hold something due, the most urgent first, and the time that "due" now means:
-- lanes of the one queue that there is, mail ($1 queues to serve, NULL: all).  One row of NULLs
-- where there is none.  1,000 are looked at, behind the lane $2 and $3, NULL from the start; where
-- that was not the last one, each row has it as behind_queue and behind_priority.
WITH RECURSIVE lane AS (
	(SELECT priority, waits_until, 1 AS n
	   FROM email_queue
	  WHERE waits_until IS NOT NULL AND priority > CASE WHEN $2::text IS NULL THEN -32769 ELSE $3::int END
	  ORDER BY priority, waits_until, id LIMIT 1)
	UNION ALL
	SELECT x.priority, x.waits_until, l.n + 1
	  FROM lane l
	 CROSS JOIN LATERAL (
		SELECT priority, waits_until
		  FROM email_queue
		 WHERE waits_until IS NOT NULL AND priority > l.priority
		 ORDER BY priority, waits_until, id LIMIT 1) x
	 WHERE l.n < 1000
)
SELECT CASE WHEN l.priority IS NOT NULL THEN 'mail' END AS queue, l.priority, t.at::text AS due_at,
       CASE WHEN b.priority IS NOT NULL THEN 'mail' END AS behind_queue, b.priority AS behind_priority
  FROM (SELECT clock_timestamp() AS at) t
  LEFT JOIN lane b ON b.n = 1000
  LEFT JOIN lane l ON l.waits_until <= t.at AND ($1::text[] IS NULL OR 'mail' = ANY ($1::text[]))
 ORDER BY l.priority DESC;

-- name: claim
-- Leases up to $1 requests that were due at $4, for their time-out ($12 seconds) and $2 seconds
-- more, under the token $3, from the lanes $5 and $6 (priorities), behind each lane's cursor ($7
-- microseconds, $8 id); none where the time-out is longer than $9 seconds, for it would not end in
-- time.  All requests together have no more than $13 mails, and stay in their order: one that has
-- more than are left ends the claim.  $14: the run has had none yet, and whatever is first is taken, or
-- a batch from before the cap was lowered would never go, nor what is behind it.
--
-- Mails that are new and usual go in batches of $11.  Everything else goes as it went before: a batch
-- with the mails that it has, and alone what has been alone.  A mail that was ever part of a
-- request must not become part of another one while nobody knows whether the first was accepted, so
-- this is to be committed for sure before anything is sent.
--
-- unsure_since says since when that is so: a lease that ran out may have seen its request sent.  From then on
-- a batch is_sound, and may be sent, once somebody has composed it and lived.
-- What is too long to be sent is not brought, and says so: all that a claim brings has to go into
-- values of 1 GB, and a row that it stumbled over would keep all other mail from being sent for good.
-- pg_column_size() is that of jsonb as it is stored, which may be a hundredth of its text.
-- Leases that ran out, and the repeat of a claim with its token, are as in job_queue.sql; $10 asks
-- for one request that was lost twice, and no other.
WITH c AS MATERIALIZED (
	(SELECT j.*, l.lane
	   FROM unnest($5::text[], $6::int[], $7::bigint[], $8::uuid[])
	        WITH ORDINALITY AS l (queue, priority, at, id, lane)
	  CROSS JOIN LATERAL (
		SELECT id, waits_until, batch_id,
		       CASE WHEN claim_token IS DISTINCT FROM $3::uuid THEN lease_until END AS lost_at,
		       attempts = 0 AND lost = 0 AND lease_until IS NULL AND batch_id IS NULL AND NOT is_single
			AND max_attempts = 3 AND unsure_since IS NULL
			AND COALESCE(octet_length(html), 0) + COALESCE(octet_length(text), 0) < 64000 AND pg_column_size(data) < 8000 AS is_new
		  FROM email_queue
		 WHERE priority = l.priority::smallint
		   AND waits_until <= $4::timestamptz
		   AND (waits_until, id) > (timestamptz 'epoch' + l.at * interval '1 microsecond', l.id)
		   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
		   AND lost + (lease_until IS NOT NULL AND claim_token IS DISTINCT FROM $3::uuid)::int < 2
		   AND (SELECT $12::int <= $9::int AND $13::bigint > 0)
		 ORDER BY waits_until, id
		 LIMIT $1::bigint * $11::int
		   FOR NO KEY UPDATE SKIP LOCKED) j
	  WHERE NOT (SELECT $10::boolean)
	  LIMIT $1::bigint * $11::int)
	UNION ALL
	(SELECT j.*, 1 AS lane
	   FROM (
		SELECT id, waits_until, batch_id,
		       CASE WHEN claim_token IS DISTINCT FROM $3::uuid THEN lease_until END AS lost_at, false AS is_new
		  FROM email_queue
		 WHERE lost > 0 AND waits_until <= $4::timestamptz
		   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()) OR claim_token = $3::uuid)
		   AND lost + (lease_until IS NOT NULL AND claim_token IS DISTINCT FROM $3::uuid)::int >= 2
		   AND (SELECT $12::int <= $9::int AND $13::bigint > 0)
		 ORDER BY lost, waits_until, id
		 LIMIT 1
		   FOR NO KEY UPDATE SKIP LOCKED) j
	  WHERE (SELECT $10::boolean))
), n AS MATERIALIZED (
	SELECT c.*, CASE WHEN is_new THEN (row_number() OVER (PARTITION BY lane, is_new ORDER BY waits_until, id) - 1)
			/ GREATEST(LEAST($11::int, $13::bigint), 1) END AS chunk
	  FROM c
), k AS MATERIALIZED (
	SELECT n.*, CASE WHEN is_new THEN first_value(id) OVER (PARTITION BY lane, chunk ORDER BY waits_until, id) ELSE id END AS leader,
	       CASE WHEN is_new THEN count(*) OVER (PARTITION BY lane, chunk)
	            WHEN batch_id IS NOT NULL THEN (SELECT count(*) FROM email_queue b WHERE b.batch_id = n.batch_id)
	            ELSE 1 END AS mails
	  FROM n
), t AS MATERIALIZED (
	SELECT id, lane, waits_until, batch_id, lost_at, mails
	  FROM (SELECT k.*, row_number() OVER w AS place, sum(mails) OVER w AS total
	          FROM k WHERE id = leader WINDOW w AS (ORDER BY lane, waits_until, id)) o
	 WHERE place <= $1::bigint AND (total <= $13::bigint OR (place = 1 AND (SELECT $14::boolean)))
), m AS MATERIALIZED (
	SELECT k.id, t.id AS leader, k.batch_id AS was, COALESCE(t.batch_id, CASE WHEN t.mails > 1 THEN t.id END) AS batch,
	       t.lane, t.waits_until, t.lost_at
	  FROM t JOIN k ON k.leader = t.id
	UNION ALL
	SELECT b.id, t.id, b.batch_id, b.batch_id, t.lane, t.waits_until, t.lost_at
	  FROM email_queue b JOIN t ON t.batch_id = b.batch_id AND t.id <> b.id
	 WHERE b.batch_id = ANY (ARRAY(SELECT batch_id FROM t)) AND b.waits_until IS NOT NULL
), u AS (
	UPDATE email_queue d
	   SET status = 'processing', claim_token = $3::uuid, batch_id = m.batch,
	       waits_until = CASE WHEN d.id = m.leader THEN d.waits_until ELSE 'infinity' END,
	       lease_until = CASE WHEN d.id = m.leader THEN clock_timestamp() + make_interval(secs => $2::int + $12::int) END,
	       lost = d.lost + (d.id = m.leader AND m.lost_at IS NOT NULL)::int,
	       unsure_since = COALESCE(d.unsure_since, m.lost_at)
	  FROM m
	 WHERE d.id = ANY (ARRAY(SELECT id FROM m)) AND d.id = m.id
	   AND d.batch_id IS NOT DISTINCT FROM m.was AND d.waits_until IS NOT NULL
	RETURNING d.id, m.leader, m.lane, m.waits_until, d.batch_id, d.attempts, d.max_attempts, d.unsure_since, d.is_sound, d.resends, d.template,
	       d.to_address, d.reply_to, d.subject, d.html, d.text, d.data, d.headers
)
SELECT u.leader AS id, COALESCE(u.batch_id, u.leader) AS owner, u.batch_id IS NOT NULL AS is_batch, min(u.lane) AS lane,
       (date_part('epoch', min(u.waits_until)) * 1000000)::bigint AS cursor_at, $12::int AS timeout_s,
       false AS is_parked, false AS frees, count(*) AS mails_count, max(u.resends) AS resends,
       max(u.attempts) AS attempts, min(u.max_attempts) AS max_attempts,
       bool_and(u.is_sound OR u.unsure_since IS NULL) AS is_sound,
       COALESCE(min(u.unsure_since) < clock_timestamp() - interval '23 hours', false) AS is_stale,
       json_agg(CASE WHEN f.fault IS NOT NULL THEN json_build_object('id', u.id, 'fault', f.fault)
		ELSE json_build_object('id', u.id, 'to', left(u.to_address, 1000), 'reply_to', left(u.reply_to, 1000),
			'subject', left(u.subject, 1000), 'html', u.html, 'text', u.text, 'data', u.data::text, 'headers', u.headers::text,
			'template', left(u.template, 1000), 'is_known', e.name IS NOT NULL,
			'template_subject', e.subject, 'template_html', e.html, 'template_text', e.text) END ORDER BY u.id) AS mails
  FROM u
  LEFT JOIN email_templates e ON e.name = u.template
 CROSS JOIN LATERAL (
	SELECT CASE WHEN COALESCE(octet_length(u.html), 0) + COALESCE(octet_length(u.text), 0) > 4194304
	            THEN 'html and text have more than 4 MB'
	            WHEN pg_column_size(u.data) > 262144 THEN 'data has more than 256 KB'
	            WHEN octet_length(u.data::text) > 262144 THEN 'data has more than 256 KB'
	            WHEN pg_column_size(u.headers) > 65536 THEN 'headers have more than 64 KB'
	            WHEN octet_length(u.headers::text) > 65536 THEN 'headers have more than 64 KB'
	            WHEN GREATEST(octet_length(e.subject), octet_length(e.html), octet_length(e.text)) > 1048576
	            THEN format('template "%s" has more than 1 MB', u.template) END AS fault) f
 GROUP BY u.leader, u.batch_id;

-- name: bury
-- Gives up requests that were lost five times: they killed, or outlived, every process that took
-- them.  A batch that was seen to be sound was lost while it was sent: any of those processes may have
-- sent it, so its mails fail together; alone, under other keys, they might arrive twice.  One that
-- never was, though after its first loss it is sent only after that, kills whoever composes it: its mails
-- go on alone, taken one at a time, and only the one that is poison is given up.
-- Only who had it first may have sent it all the same.  Mails would arrive twice where he was killed with
-- it in the air, and the four behind him before they had composed it, or by what was changed meanwhile.  To
-- rule that out, too, each batch would have to be written once more before it is first sent.
WITH c AS MATERIALIZED (
	SELECT id, batch_id, is_sound OR batch_id IS NULL AS is_over
	  FROM email_queue
	 WHERE lost >= 4 AND waits_until <= $1::timestamptz
	   AND lost + (lease_until IS NOT NULL)::int >= 5
	   AND (lease_until IS NULL OR lease_until < (SELECT clock_timestamp()))
	 ORDER BY lost, waits_until, id
	 LIMIT 1000
	   FOR NO KEY UPDATE SKIP LOCKED
), m AS MATERIALIZED (
	SELECT id, is_over FROM c
	UNION ALL
	SELECT d.id, c.is_over FROM email_queue d JOIN c ON c.batch_id = d.batch_id AND c.id <> d.id
	 WHERE d.batch_id = ANY (ARRAY(SELECT batch_id FROM c)) AND d.waits_until IS NOT NULL
), u AS (
	UPDATE email_queue d
	   SET status = CASE WHEN m.is_over THEN 'failed' ELSE 'pending' END,
	       waits_until = CASE WHEN NOT m.is_over THEN $1::timestamptz END,
	       lost = CASE WHEN m.is_over THEN 5 ELSE 2 END, lease_until = NULL, claim_token = NULL, batch_id = NULL,
	       is_single = d.is_single OR NOT m.is_over, is_sound = false,
	       unsure_since = CASE WHEN m.is_over THEN d.unsure_since END,
	       dead_at = CASE WHEN m.is_over THEN clock_timestamp() END,
	       last_error = CASE WHEN m.is_over
	                         THEN 'poison: its lease ran out 5 times, the process that held it died or hung; it is not known whether it was sent'
	                         ELSE 'it was to go with others, one of which killed who composed them; it goes alone' END
	  FROM m
	 WHERE d.id = ANY (ARRAY(SELECT id FROM m)) AND d.id = m.id
	RETURNING d.id, m.is_over
)
SELECT id FROM u WHERE is_over;

-- name: heal
-- At a run's start: batches whose leader was deleted, or ended by the application, get another one,
-- under the same batch_id.  5,000 batches are looked at.
WITH RECURSIVE b AS (
	(SELECT batch_id, 1 AS n FROM email_queue WHERE batch_id IS NOT NULL ORDER BY batch_id LIMIT 1)
	UNION ALL
	SELECT x.batch_id, b.n + 1
	  FROM b
	 CROSS JOIN LATERAL (SELECT batch_id FROM email_queue WHERE batch_id > b.batch_id ORDER BY batch_id LIMIT 1) x
	 WHERE b.n < 5000
), l AS MATERIALIZED (
	SELECT f.id
	  FROM b
	 CROSS JOIN LATERAL (SELECT id, waits_until FROM email_queue WHERE batch_id = b.batch_id ORDER BY waits_until, id LIMIT 1) f
	 WHERE f.waits_until = 'infinity'
)
UPDATE email_queue d
   SET status = 'pending', waits_until = clock_timestamp(), lease_until = NULL, claim_token = NULL,
       unsure_since = COALESCE(d.unsure_since, CASE WHEN d.claim_token IS NOT NULL THEN clock_timestamp() END)
 WHERE d.id = ANY (ARRAY(SELECT id FROM l)) AND d.waits_until = 'infinity'
RETURNING d.id;

-- name: settle
-- Writes how requests ended ($1 ids of their leaders, $2 tokens, $3 owners, $4 verdicts, $5 ms to
-- the next try, $6 errors, $7 results, $8 effects), for each of their mails that still has the
-- token.  A result is {"sent": {mail: the vendor's id}, "refused": {mail: why}}: what is refused
-- was not part of the request and has failed, whatever became of the others.  The effect "split"
-- lets the mails of a batch go alone from now on: the vendor has refused the batch, so none of it
-- was sent; "unsure" says of what is held that it may have been sent; "sound" of a batch that was
-- lost that it could be composed, and may be sent.  Counts mails.
WITH r AS MATERIALIZED (
	SELECT id, token, owner, verdict, retry_ms, error, effect, result::jsonb -> 'sent' AS sent, result::jsonb -> 'refused' AS refused
	  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
	    AS r (id, token, owner, verdict, retry_ms, error, result, effect)
), m AS MATERIALIZED (
	SELECT r.*, d.id AS mail
	  FROM email_queue d JOIN r ON r.id = d.id
	 WHERE d.id = ANY (ARRAY(SELECT id FROM r)) AND CASE WHEN d.claim_token = r.token THEN true ELSE false END
	UNION ALL
	SELECT r.*, d.id
	  FROM email_queue d JOIN r ON r.owner = d.batch_id AND r.id <> d.id
	 WHERE d.batch_id = ANY (ARRAY(SELECT owner FROM r)) AND CASE WHEN d.claim_token = r.token THEN true ELSE false END
), p AS MATERIALIZED (
	SELECT mail, token, retry_ms, sent ->> mail::text AS provider_id, COALESCE(refused ->> mail::text, error) AS error,
	       CASE WHEN refused ? mail::text THEN 'refuse' ELSE verdict END AS verdict,
	       COALESCE(effect = 'split', false) AND NOT COALESCE(refused ? mail::text, false) AS is_split,
	       COALESCE(effect = 'sound', false) AS is_sound,
	       COALESCE(effect = 'unsure', false) AS is_unsure,
	       mail = first_value(mail) OVER (PARTITION BY id ORDER BY COALESCE(refused ? mail::text, false), mail <> id, mail) AS is_leader
	  FROM m
), u AS (
	UPDATE email_queue d
	   SET status = CASE WHEN p.verdict = 'done' THEN 'sent' WHEN p.verdict IN ('dead', 'refuse') THEN 'failed' ELSE 'pending' END,
	       waits_until = CASE WHEN p.verdict IN ('done', 'dead', 'refuse') THEN NULL
	                          WHEN p.is_split THEN clock_timestamp()
	                          WHEN p.is_leader THEN clock_timestamp() + p.retry_ms * interval '1 millisecond'
	                          ELSE 'infinity' END,
	       next_attempt_at = CASE WHEN p.verdict IN ('retry', 'hold') THEN clock_timestamp() + p.retry_ms * interval '1 millisecond'
	                              ELSE d.next_attempt_at END,
	       lease_until = NULL, claim_token = NULL, is_sound = p.is_sound OR p.verdict IN ('retry', 'hold'),
	       lost = CASE WHEN p.is_sound THEN d.lost ELSE 0 END,
	       attempts = LEAST(d.attempts, 2147483646) + (p.verdict IN ('done', 'retry', 'dead'))::int,
	       batch_id = CASE WHEN p.verdict IN ('retry', 'hold') OR p.is_sound AND p.verdict = 'park' THEN d.batch_id END,
	       is_single = d.is_single OR p.is_split,
	       unsure_since = CASE WHEN p.verdict = 'retry' OR p.is_unsure THEN COALESCE(d.unsure_since, clock_timestamp())
	                           WHEN p.verdict = 'hold' OR p.is_sound THEN d.unsure_since END,
	       provider_id = CASE WHEN p.verdict = 'done' THEN p.provider_id ELSE d.provider_id END,
	       last_error = CASE WHEN p.verdict <> 'done' THEN COALESCE(p.error, d.last_error) END,
	       sent_at = CASE WHEN p.verdict = 'done' THEN clock_timestamp() END,
	       dead_at = CASE WHEN p.verdict IN ('dead', 'refuse') THEN clock_timestamp() END
	  FROM p
	 WHERE d.id = ANY (ARRAY(SELECT mail FROM p)) AND d.id = p.mail
	   AND CASE WHEN d.claim_token = p.token THEN true ELSE false END
	RETURNING p.verdict
)
SELECT count(*) FILTER (WHERE verdict = 'done') AS done,
       count(*) FILTER (WHERE verdict = 'retry') AS retry,
       count(*) FILTER (WHERE verdict = 'dead') AS dead,
       count(*) FILTER (WHERE verdict = 'refuse') AS refuse,
       count(*) FILTER (WHERE verdict = 'park') AS park,
       count(*) FILTER (WHERE verdict = 'hold') AS hold
  FROM u;

-- name: release
-- Hands back what was claimed and not tried ($1 ids, $2 tokens): no attempt is counted, and a batch
-- stays one.
WITH r AS MATERIALIZED (
	SELECT r.token, d.id, d.batch_id
	  FROM unnest($1::uuid[], $2::uuid[]) AS r (id, token) JOIN email_queue d ON d.id = r.id
	 WHERE d.id = ANY ($1::uuid[])
), m AS MATERIALIZED (
	SELECT id, token FROM r
	UNION ALL
	SELECT d.id, r.token
	  FROM email_queue d JOIN r ON r.batch_id = d.batch_id AND r.id <> d.id
	 WHERE d.batch_id = ANY (ARRAY(SELECT batch_id FROM r))
)
UPDATE email_queue d
   SET status = 'pending', lease_until = NULL, claim_token = NULL
  FROM m
 WHERE d.id = ANY (ARRAY(SELECT id FROM m)) AND d.id = m.id
   AND CASE WHEN d.claim_token = m.token THEN true ELSE false END;
