//! The counter: routes, problems, authentication.
