//! `dp2stage doctor`: looks at everything that a server and its workers need, says what is wrong and how to mend it, and
//! changes nothing.

mod database;
mod examination;
mod finding;
mod machine;
mod storage;

pub use examination::run;
