-- A job counts what matches as it goes where there are too many deliveries to count when it is asked for.
ALTER TABLE redelivery_jobs ADD COLUMN first BLOB;          -- the first delivery to look at
ALTER TABLE redelivery_jobs ADD COLUMN counted_to BLOB;     -- up to here `matched` was counted at first; null: all

CREATE INDEX redelivery_jobs_unfinished ON redelivery_jobs (id) WHERE completed_at IS NULL;
