//! The client's side of a Git push, as bytes: what a server says at first ([`advertisement`]), the request that moves one
//! branch from one commit to another ([`request`], [`pack`]), and the server's word on it ([`report`]).
//!
//! No I/O happens here: a transport feeds what it received, in pieces of any size, and sends what it is given. The format
//! is that of Git's `gitprotocol-pack` and `gitprotocol-http` documents, protocol versions 0 and 1 (a push has no version 2).
//!
//! Modules are declared in their order: each uses only those above it.

pub mod packet;
pub mod advertisement;
pub mod pack;
pub mod request;
pub mod report;

pub use gix_hash::Kind as ObjectFormat;
