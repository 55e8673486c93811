//! Privacy loss: units, accounting, the ledger rules, sampling and noise. No I/O, no clock.
