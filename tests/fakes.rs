//! Servers that answer as they are told to, and badly when they are told to.

pub mod comfy;
pub mod front;
pub mod http;
pub mod models;
pub mod tls;
pub mod writer;
