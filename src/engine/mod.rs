//! The workshop: plans, the two training stages, and generation. No SQL, no HTTP.
