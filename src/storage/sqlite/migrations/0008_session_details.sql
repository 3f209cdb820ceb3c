-- What a source told of a session besides whose it is: storage::sqlite::session_details. NULL: nothing.
ALTER TABLE sessions ADD COLUMN details TEXT;
