-- The NOTIFY trigger sends once a statement, inside the transaction, to every listener of every pool; ours follow
-- the commit, on one channel a pool. Disabled rather than dropped: an upgrade would create it again.
-- The queue table is small and hot: room for HOT updates (pick, heartbeat) and early vacuums keep its indexes short.
ALTER TABLE orchestrator.pgqueuer DISABLE TRIGGER tg_pgqueuer_changed;
ALTER TABLE orchestrator.pgqueuer SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_analyze_threshold = 500
);
-- Finds the queued job of a run (hold_queued_run_jobs) without reading the whole backlog; permits are not in it.
CREATE INDEX IF NOT EXISTS pgqueuer_queued_run_job ON orchestrator.pgqueuer (payload)
WHERE entrypoint = 'run' AND status = 'queued';
