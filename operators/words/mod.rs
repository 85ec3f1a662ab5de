//! Words about pictures: from chat models, or from plain rules without one.

pub mod chat;
pub mod chat_cache;
pub mod plain;
