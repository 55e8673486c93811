//! The reference of the API at `/docs`: the contract as a page, from the document that the service itself serves.

mod operation;
mod page;
mod shape;

pub(super) use page::page;
