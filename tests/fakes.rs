//! Servers that answer as they are told to, and badly when they are told to.

pub mod comfy;
pub mod http;
pub mod models;
pub mod writer;
